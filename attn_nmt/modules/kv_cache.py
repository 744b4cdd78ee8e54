"""Projected keys and values, what attention keeps of them between steps, and who shares them.

All beams of a sentence attend to the same source. Its keys are projected, kept and read once for
all of them, and need not move when the beams change places.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from attn_nmt.modules.past_tokens import PastTokens


class KVCache(NamedTuple):
    """Keys and values, projected and split into heads: of one call, or of all calls so far.

    Shape:
        - key: (B, H, Lk, D), None where no term reads the key
        - value: (B, H, Lk, D)
        - padding: (B, Lk), True = padding; None = no padding
        - position_table: (H, 2 n + 1, D), r_proj R_d of the distances -n to n. It belongs to the
          search and not to the module: nothing tells a module that its weights have changed
          (fairseq's optimizers write to ``parameter.data``), but no search outlives them.
    """

    key: Tensor | None
    value: Tensor
    padding: Tensor | None
    query_position: int = 0
    """Absolute position of the next query, in tokens."""
    key_position: int = 0
    """Absolute position of the first key; keys that no later query can see are dropped."""
    rows_per_key: int = 1
    """Consecutive rows of queries that share each row of keys."""
    position_table: Tensor | None = None
    past_key: PastTokens | None = None
    past_value: PastTokens | None = None
    """What ``key`` and ``value`` are views of once they have grown."""

    @property
    def length(self) -> int:
        """Number of keys, Lk."""
        return self.value.size(2)

    @property
    def rows(self) -> int:
        """Number of rows of keys, B."""
        return len(self.value)

    @property
    def query_offset(self) -> int:
        """Position of the next query as counted from the first key."""
        return self.query_position - self.key_position

    @property
    def padding_mask(self) -> Tensor:
        """The padding as a mask even where there is none, (B, Lk), True = padding."""
        if self.padding is not None:
            return self.padding.to(torch.bool)
        return self.value.new_zeros(self.rows, self.length, dtype=torch.bool)

    def append(self, new: KVCache) -> KVCache:
        """Append the keys and values of a step."""
        key, value = self._past()
        if key is not None and new.key is not None:
            key = key.append(new.key)
        padding = None
        if self.padding is not None or new.padding is not None:
            padding = torch.cat((self.padding_mask, new.padding_mask), dim=1)
        return self._with_past(key, value.append(new.value))._replace(padding=padding)

    def reorder(self, new_order: Tensor) -> KVCache:
        """Follow a beam search; keys that several rows share stay where these change places."""
        return _reorder_shared(self, new_order)

    def select(self, rows: Tensor) -> KVCache:
        """Return the keys and values of some rows."""
        padding = None if self.padding is None else self.padding.index_select(0, rows)
        return self._change_past(lambda past: past.reorder(rows))._replace(padding=padding)

    def keep_last(self, count: int) -> KVCache:
        """Forget all keys but the last ``count``."""
        if self.length <= count:
            return self
        first = self.length - count
        return self._change_past(lambda past: past.keep_last(count))._replace(
            padding=None if self.padding is None else self.padding[:, first:],
            key_position=self.key_position + first,
        )

    def _past(self) -> tuple[PastTokens | None, PastTokens]:
        if self.past_value is not None:
            return self.past_key, self.past_value
        return None if self.key is None else PastTokens.of(self.key), PastTokens.of(self.value)

    def _change_past(self, change: Callable[[PastTokens], PastTokens]) -> KVCache:
        key, value = self._past()
        return self._with_past(None if key is None else change(key), change(value))

    def _with_past(self, key: PastTokens | None, value: PastTokens) -> KVCache:
        heads = None if key is None else key.heads
        return self._replace(key=heads, value=value.heads, past_key=key, past_value=value)

    def repeat_rows(self, times: int) -> KVCache:
        """Give each of ``times`` rows of queries a row of keys of its own."""
        if times == 1:
            return self
        return self._replace(
            key=None if self.key is None else self.key.repeat_interleave(times, dim=0),
            value=self.value.repeat_interleave(times, dim=0),
            padding=None if self.padding is None else self.padding.repeat_interleave(times, dim=0),
        )

    def with_position_table(
        self, positions: int, project_distances: Callable[[int, int], Tensor]
    ) -> KVCache:
        """Let a search keep the projected distances that its queries need, and some more.

        Args:
            positions: of the queries of this call.
            project_distances: see :class:`attn_nmt.functional.attention.AttentionOperands`.
        """
        offset, table = self.query_offset, self.position_table
        farthest = max(offset + positions - 1, self.length - 1 - offset)
        if table is not None and table.size(1) // 2 >= farthest:
            return self
        # Twice as far as needed, so that decoding does not make a new table at every step.
        farthest = 2 * farthest + 1
        return self._replace(position_table=project_distances(-farthest, 2 * farthest + 1))

    def next(self, positions: int, rows_per_key: int, max_keys: int | None) -> KVCache:
        """Return what to keep for the call after one with that many ``positions``.

        Args:
            positions: of the queries of this call.
            rows_per_key: rows of queries that shared each row of keys.
            max_keys: the most keys that a later query can see; None sets no limit.
        """
        kept = self if max_keys is None else self.keep_last(max_keys)
        return kept._replace(
            query_position=self.query_position + positions, rows_per_key=rows_per_key
        )

    def to_fairseq(self) -> dict[str, Tensor | None]:
        """Pack as ``fairseq.modules.MultiheadAttention`` keeps its own."""
        return {
            "prev_key": self.key,
            "prev_value": self.value,
            "prev_key_padding_mask": self.padding,
        }

    @classmethod
    def from_fairseq(cls, state: dict[str, Tensor | None]) -> KVCache:
        """Unpack keys and values that a layer of fairseq provides, one for every token so far."""
        value = state["prev_value"]
        assert value is not None, "fairseq provides keys and values"
        padding = state.get("prev_key_padding_mask")
        return cls(state["prev_key"], value, padding, query_position=value.size(2))


class SentenceMean(NamedTuple):
    """What is left of keys that all queries weigh alike.

    Shape:
        - mean: (B, H, 1, D), the weighted mean of the values; weights: (B, H, 1, Lk)
    """

    mean: Tensor
    weights: Tensor
    terms: tuple[str, ...]
    """The terms that the weights are made of."""
    rows_per_key: int = 1
    """Consecutive rows of queries that share each mean."""

    @property
    def rows(self) -> int:
        """Number of means, B."""
        return len(self.mean)

    def reorder(self, new_order: Tensor) -> SentenceMean:
        """Follow a beam search; means that several rows share stay where these change places."""
        return _reorder_shared(self, new_order)

    def select(self, rows: Tensor) -> SentenceMean:
        """Return the means of some rows."""
        mean, weights = self.mean.index_select(0, rows), self.weights.index_select(0, rows)
        return self._replace(mean=mean, weights=weights)


Shared = TypeVar("Shared", KVCache, SentenceMean)


def _reorder_shared(cache: Shared, new_order: Tensor) -> Shared:
    """Select the rows that a beam search continues with, and how many rows then share each."""
    if cache.rows_per_key == 1:
        return cache.select(new_order)
    kept, rows_per_key = rows_after_reorder(new_order, cache.rows_per_key, cache.rows)
    reordered = cache if kept is None else cache.select(kept)
    return reordered._replace(rows_per_key=rows_per_key)


class KeySharing(NamedTuple):
    """Which row of keys a row of queries reads: row r reads row r // ``rows_per_key``."""

    rows_per_key: int
    is_stacked: bool
    """Whether the queries that share keys become several queries at one position."""

    @classmethod
    def between(cls, query: Tensor, key_rows: int, *, may_stack: bool) -> KeySharing:
        """Return how queries, (Lq, B * n, C), share ``key_rows`` = B rows of keys.

        Raises:
            ValueError: if the rows of queries are not a multiple of those of keys.
        """
        # Not divmod, which torch.compile does not support.
        rows_per_key = query.size(1) // key_rows
        if rows_per_key * key_rows != query.size(1):
            raise ValueError(
                f"`query` must have a multiple of the {key_rows} rows of `key`, but has "
                f"{query.size(1)} instead."
            )
        return cls(rows_per_key, rows_per_key > 1 and may_stack and len(query) == 1)

    def stack(self, query: Tensor) -> Tensor:
        """(1, B * n, C) -> (n, B, C), if stacked."""
        if not self.is_stacked:
            return query
        return query.view(-1, self.rows_per_key, query.size(-1)).transpose(0, 1)

    def unstack(self, output: Tensor, query: Tensor) -> Tensor:
        """Return the output for the query before it was stacked, (Lq, B * n, C).

        Shape:
            - output: (n, B, C) if stacked, else (Lq, B * n, C); 1 in place of the first axis and B
              in place of B * n where all rows get the same
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


def rows_after_reorder(
    new_order: Tensor, rows_per_key: int, key_rows: int
) -> tuple[Tensor | None, int]:
    """Return which rows of keys remain, and how many rows of queries then share each.

    Args:
        new_order: (R), which row of queries each new one comes from.
        rows_per_key: rows of queries that share a row of keys so far.
        key_rows: rows of keys so far.

    Returns:
        The rows of keys to select, None if all stay as they are; and the new ``rows_per_key``.
    """
    if new_order.is_inference():
        return _rows_after_reorder(new_order, rows_per_key, key_rows)
    return _rows_after_reorder_cached(new_order, new_order._version, rows_per_key, key_rows)


@lru_cache(maxsize=1)
def _rows_after_reorder_cached(
    new_order: Tensor, _version: int, rows_per_key: int, key_rows: int
) -> tuple[Tensor | None, int]:
    """Spare the other layers, which follow the same reordering, the wait for the GPU."""
    return _rows_after_reorder(new_order, rows_per_key, key_rows)


def _rows_after_reorder(
    new_order: Tensor, rows_per_key: int, key_rows: int
) -> tuple[Tensor | None, int]:
    # The one wait for a GPU; each question asked there would be another one.
    source = [row // rows_per_key for row in new_order.tolist()]
    groups = [(row, len(list(group))) for row, group in itertools.groupby(source)]
    kept, rows = [row for row, _ in groups], groups[0][1]
    if any(count != rows for _, count in groups):
        kept, rows = source, 1
    if kept == list(range(key_rows)):
        return None, rows
    return new_order.new_tensor(kept), rows
