"""What a way through the attention is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from attn_nmt.modules.incremental import State

Remember = Callable[[State], None]
Mixed = tuple[Tensor, Tensor | None]
"""Mixed values (B, H, Lq or 1, D) and, where asked for, weights (B, H, Lq or 1, Lk)."""


@dataclass(frozen=True)
class Call:
    """The arguments of one forward call, (length, batch, channels), and the cache it finds."""

    query: Tensor
    positions: int
    """Positions of the queries: as many as queries, or one if rows are stacked there."""
    rows_per_key: int
    """Rows of queries, not stacked, that share a row of keys."""
    key: Tensor
    value: Tensor
    padding: Tensor | None
    state: State
    caching: bool
    static: bool
    attn_mask: Tensor | None
    weighing: bool
