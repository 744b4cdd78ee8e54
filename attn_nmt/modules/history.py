"""Tokens of earlier decoding steps, moved once a step: to their new row, and before the new ones.

A beam search reorders the rows of a cache before every step, and the step then puts its own tokens
behind. Each would copy all of the past. So a reordering only notes where the rows have to go, and
the next step moves them while it makes room.
"""

from __future__ import annotations

import torch
from torch import Tensor

ORDER = "order"
"""The note in a cache, (R): which row of the past each row has become; absent = its own."""


def settle(past: Tensor, order: Tensor | None) -> Tensor:
    """Move the rows where they belong: (B, ...) -> (R, ...)."""
    return past if order is None else past.index_select(0, order)


def extend(past: Tensor, new: Tensor, order: Tensor | None) -> Tensor:
    """Do the same, and put the tokens of a step behind.

    Shape:
        - past: (B, H, L, D); new: (R, H, n, D)
        - output: (R, H, L + n, D)
    """
    if order is None or torch.is_grad_enabled():
        return torch.cat((settle(past, order), new), dim=2)
    length = past.size(2)
    both = new.new_empty(*new.shape[:2], length + new.size(2), new.size(3))
    torch.index_select(past, 0, order, out=both[:, :, :length])
    both[:, :, length:] = new
    return both
