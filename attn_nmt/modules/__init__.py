"""Attention and convolution modules, (length, batch, channels) in and out; they need PyTorch only.

- ``relative_attention``: call and specification of ``RelativeMultiheadAttention``
- ``projections``: its parameters, and which keys a query may see
- ``paths``: the ways to its result, plain and fast
- ``key_sharing``: keys that all beams of a sentence attend to
- ``memory``: projected keys and values, and their cache; ``position_table``: that of distances
- ``deformable_conv1d``: ``DeformableConv1d``; ``offset_statistics``: what its taps do in training
- ``headwise_conv1d``: what ``dynamic_conv1d`` and ``lightweight_conv1d`` share
- ``context_broadcast``: ``ContextBroadcast``, the mean of the sentence for every token
- ``linear``: the linear layer of all of them
- ``arguments``: rules that several of them share
- ``incremental``: what a module remembers between decoding steps; ``history``: how it follows a
  beam search; ``token_buffer``: inputs that stay where they are
"""

from attn_nmt.modules.context_broadcast import ContextBroadcast
from attn_nmt.modules.deformable_conv1d import DeformableConv1d
from attn_nmt.modules.dynamic_conv1d import DynamicConv1d
from attn_nmt.modules.lightweight_conv1d import LightweightConv1d
from attn_nmt.modules.relative_attention import RelativeMultiheadAttention

__all__ = [
    "ContextBroadcast",
    "DeformableConv1d",
    "DynamicConv1d",
    "LightweightConv1d",
    "RelativeMultiheadAttention",
]
