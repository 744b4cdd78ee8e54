"""Several rows of queries for each row of keys, as the beams of a search have.

All beams of a sentence attend to the same source, so its keys are projected, kept and read once
for all of them, and need not follow when the beams change places.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

SHARED_STATE = ("rows_per_key",)
"""What belongs to the whole batch in the cache, and is not reordered."""


class KeySharing(NamedTuple):
    """Which rows of queries belong to which row of keys: row r to row r // ``rows_per_key``."""

    rows_per_key: int
    is_stacked: bool
    """Whether the queries of a row of keys count as so many queries at one position."""

    @classmethod
    def between(cls, query: Tensor, key_rows: int, *, may_stack: bool) -> KeySharing:
        """Return how queries, (Lq, B * n, C), share ``key_rows`` = B rows of keys.

        Raises:
            ValueError: if the rows of queries are no multiple of those of keys.
        """
        # No divmod: torch.compile does not know it.
        rows = query.size(1) // key_rows
        if rows * key_rows != query.size(1):
            raise ValueError(
                f"`query` must have a multiple of the {key_rows} rows of `key`, but has "
                f"{query.size(1)} instead."
            )
        return cls(rows, rows > 1 and may_stack and len(query) == 1)

    def stack(self, query: Tensor) -> Tensor:
        """(1, B * n, C) -> (n, B, C), if stacked."""
        if not self.is_stacked:
            return query
        return query.view(-1, self.rows_per_key, query.size(-1)).transpose(0, 1)

    def unstack(self, output: Tensor, query: Tensor) -> Tensor:
        """Return an output of the shape of the query before it was stacked, (Lq, B * n, C).

        Shape:
            - output: (n, B, C) if stacked, else (Lq, B * n, C); with 1 in place of the first and
              B in place of B * n where it is the same for all
        """
        if self.is_stacked:
            # (n, B, C) -> (B, n, C) -> (1, B * n, C)
            output = output.expand(self.rows_per_key, -1, -1).transpose(0, 1)
            return output.reshape(query.shape)
        if output.size(1) != query.size(1):
            output = output.repeat_interleave(self.rows_per_key, dim=1)
        return output.expand(len(query), -1, -1)

    def unstack_weights(self, weights: Tensor, query: Tensor) -> Tensor:
        """Do the same with weights: (B, H, n, Lk) or (B * n, H, Lq, Lk) -> (B * n, H, Lq, Lk)."""
        if self.is_stacked:
            weights = weights.expand(-1, -1, self.rows_per_key, -1)
            # (B, H, n, Lk) -> (B, n, H, Lk) -> (B * n, H, 1, Lk)
            return weights.transpose(1, 2).flatten(0, 1).unsqueeze(2)
        if len(weights) != query.size(1):
            weights = weights.repeat_interleave(self.rows_per_key, dim=0)
        return weights.expand(-1, -1, len(query), -1)


def follow(new_order: Tensor, rows_per_key: int, key_rows: int) -> tuple[Tensor | None, int]:
    """Return which rows of keys remain, and how many rows of queries then share each.

    Args:
        new_order: (R), which row of queries each new one comes from.
        rows_per_key: rows of queries that share a row of keys so far.
        key_rows: rows of keys so far.

    Returns:
        The rows of keys to select, None for all of them as they are; and the new sharing.
    """
    if new_order.is_inference():
        return _follow(new_order, rows_per_key, key_rows)
    return _follow_once(new_order, new_order._version, rows_per_key, key_rows)


@lru_cache(maxsize=1)
def _follow_once(
    new_order: Tensor, _version: int, rows_per_key: int, key_rows: int
) -> tuple[Tensor | None, int]:
    """Answer the next layers, which are told of the same reordering, without asking the GPU."""
    return _follow(new_order, rows_per_key, key_rows)


def _follow(new_order: Tensor, rows_per_key: int, key_rows: int) -> tuple[Tensor | None, int]:
    source = new_order // rows_per_key
    kept, counts = torch.unique_consecutive(source, return_counts=True)
    rows = int(counts[0])
    if not bool((counts == rows).all()):
        kept, rows = source, 1
    if torch.equal(kept, torch.arange(key_rows, device=kept.device)):
        return None, rows
    return kept, rows
