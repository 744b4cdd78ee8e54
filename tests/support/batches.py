"""Batches of three sentences in all states of padding."""

from __future__ import annotations

import torch
from torch import Tensor

BATCH = 3
SIDES = ("none", "left", "right")


def sequence(length: int, width: int, *, seed: int = 0) -> Tensor:
    """Return random input (L, B, C) in float64, a leaf with a gradient."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(length, BATCH, width, dtype=torch.float64, generator=generator)
    return x.requires_grad_()


def padding_of(length: int, side: str) -> Tensor | None:
    """One sentence whole, one without its last or first two tokens, one of padding alone."""
    if side == "none":
        return None
    mask = torch.zeros(BATCH, length, dtype=torch.bool)
    mask[1, -2:] = mask[2] = True
    return mask if side == "right" else mask.flip(1)
