"""Attention modules, (length, batch, channels) in and out; they need PyTorch and nothing else.

- ``relative_attention``: call and specification of ``RelativeMultiheadAttention``
- ``projections``: its parameters, and which keys a query may see
- ``paths``: the ways to its result, plain and fast
- ``memory``: projected keys and values, and their cache; ``position_table``: that of distances
- ``incremental``: what a module remembers between decoding steps
"""

from attn_nmt.modules.relative_attention import RelativeMultiheadAttention

__all__ = ["RelativeMultiheadAttention"]
