"""One checkpoint out of several: the mean of their parameters.

- ``selection``: the last by update or by epoch, or the best, of a folder
- ``mean``: the mean, in float64, of checkpoints of one model
- ``__main__``: what ``scripts/average_checkpoints.py`` runs
"""

from attn_nmt.averaging.mean import average
from attn_nmt.averaging.selection import best, last_by_epoch, last_by_update

__all__ = ["average", "best", "last_by_epoch", "last_by_update"]
