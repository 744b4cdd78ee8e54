"""The ways through RelativeMultiheadAttention; all give what its ``energies`` specify.

- ``plain``: every energy, every weight; where weights or an extra mask are asked for
- ``query_free`` (terms 0010, 0000): one mean a sentence, or a running one
- ``within_span``: blocks of queries over windows of keys
- ``dense``: everything else, by fused attention or by a table of weights
- ``dispatch``: which of them; ``call``: what they are given
"""

from attn_nmt.modules.paths.call import Call
from attn_nmt.modules.paths.dispatch import attend

__all__ = ["Call", "attend"]
