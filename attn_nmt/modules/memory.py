"""The projected keys and values that the queries of one call attend to, and their cache."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from attn_nmt.modules import key_sharing
from attn_nmt.modules.history import ORDER, extend, settle
from attn_nmt.modules.incremental import State

SHARED_STATE = ("positions", "position_table", *key_sharing.SHARED_STATE)
"""What belongs to the whole batch in the cache, and is not reordered."""
LATE_STATE = ("prev_key", "prev_value")
"""What is reordered when it is needed."""


class Memory(NamedTuple):
    """Keys and values after projection, split into heads.

    Shape:
        - key: (B, H, Lk, D), None where no term looks at the key
        - value: (B, H, Lk, D)
        - padding: (B, Lk), True = padding; None = no padding
    """

    key: Tensor | None
    value: Tensor
    padding: Tensor | None
    first_query: int = 0
    """Absolute position of the first query of this call, in tokens."""
    first_key: int = 0
    """Absolute position of the first key; keys out of every later query's reach are dropped."""
    order: Tensor | None = None
    """Of a cache that was reordered: which row of keys and values each row has become."""
    position_table: Tensor | None = None
    """Of a search: :func:`attn_nmt.modules.position_table.table_reaching`."""

    @property
    def length(self) -> int:
        """Number of keys, Lk."""
        return self.value.size(2)

    @property
    def query_offset(self) -> int:
        """Position of the first query as seen from the first key."""
        return self.first_query - self.first_key

    def to_state(self, *, queries: int) -> State:
        """Pack for the cache, after a call with that many queries."""
        return {
            "prev_key": self.key,
            "prev_value": self.value,
            "prev_key_padding_mask": self.padding,
            "positions": torch.tensor([self.first_query + queries, self.first_key]),
            "position_table": self.position_table,
        }

    @classmethod
    def from_state(cls, state: State) -> Memory | None:
        """Unpack what an earlier call left; None where there was none.

        fairseq's layers may put keys and values there themselves, and nothing else: then every
        token so far has its key.
        """
        value, positions = state.get("prev_value"), state.get("positions")
        if value is None:
            return None
        first_query, first_key = (value.size(2), 0) if positions is None else positions.tolist()
        padding = state.get("prev_key_padding_mask")
        order, table = state.get(ORDER), state.get("position_table")
        return cls(state.get("prev_key"), value, padding, first_query, first_key, order, table)

    def settle(self) -> Memory:
        """Move the rows of a cache that was reordered to where they belong."""
        key = None if self.key is None else settle(self.key, self.order)
        return self._replace(key=key, value=settle(self.value, self.order), order=None)

    def append(self, new: Memory) -> Memory:
        """Put the keys of a new step behind those seen before."""
        key = None
        if self.key is not None and new.key is not None:
            key = extend(self.key, new.key, self.order)
        value = extend(self.value, new.value, self.order)
        padding = None
        if self.padding is not None or new.padding is not None:
            padding = torch.cat((self.padding_mask(), new.padding_mask()), dim=1)
        return self._replace(key=key, value=value, padding=padding, order=None)

    def keep(self, first: int, last: int) -> Memory:
        """Drop the keys before index ``first`` and from index ``last`` on."""
        return self._replace(
            key=None if self.key is None else self.key[:, :, first:last],
            value=self.value[:, :, first:last],
            padding=None if self.padding is None else self.padding[:, first:last],
            first_key=self.first_key + first,
        )

    def repeat(self, times: int) -> Memory:
        """Give each of that many rows of queries keys of its own."""
        if times == 1:
            return self
        key, value, padding = (
            None if tensor is None else tensor.repeat_interleave(times, dim=0)
            for tensor in (self.key, self.value, self.padding)
        )
        assert value is not None
        return self._replace(key=key, value=value, padding=padding)

    def padding_mask(self) -> Tensor:
        """Return the padding as a mask even where there is none, (B, Lk), True = padding."""
        if self.padding is not None:
            return self.padding.to(torch.bool)
        rows = len(self.value if self.order is None else self.order)
        return self.value.new_zeros(rows, self.length, dtype=torch.bool)


def rows_kept(state: State) -> int:
    """Return how many rows of keys, or of what became of them, a cache that is not empty holds."""
    tensors = (state.get(name) for name in (ORDER, "prev_value", "mean"))
    return next(len(tensor) for tensor in tensors if tensor is not None)
