"""A running sum that stays in the cache, whatever the length."""

from __future__ import annotations

import torch
from torch import Tensor

# Rows summed in one walk down memory. A walk down a whole sentence leaves the cache at every step.
_BLOCK = 32


def running_sum(x: Tensor) -> Tensor:
    """Return y_i = sum over j <= i of x_j, in blocks and then over the blocks.

    No x_j has a part in an earlier y_i, be it infinite or no number.

    Shape:
        - x, output: (L, ...)
    """
    length = x.size(0)
    if length <= _BLOCK:
        return x.cumsum(0)
    blocks = -(-length // _BLOCK)
    if length % _BLOCK:
        x = torch.cat((x, x.new_zeros(blocks * _BLOCK - length, *x.shape[1:])))
    # (L, ...) -> (blocks, rows, ...)
    within = x.reshape(blocks, _BLOCK, *x.shape[1:]).cumsum(1)
    before = torch.cat((torch.zeros_like(within[:1, -1]), within[:-1, -1].cumsum(0)))
    # In place: a cumulative sum does not need its result to find its gradient.
    return within.add_(before.unsqueeze(1)).flatten(0, 1)[:length]
