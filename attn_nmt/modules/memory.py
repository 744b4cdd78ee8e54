"""The projected keys and values that the queries of one call attend to, and their cache."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from attn_nmt.modules.incremental import State


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
    query_offset: int = 0
    """Absolute position of the first query of this call, in tokens."""

    def to_state(self, *, queries: int) -> State:
        """Pack for the cache, after a call with that many queries."""
        return {
            "prev_key": self.key,
            "prev_value": self.value,
            "prev_key_padding_mask": self.padding,
            "queries_seen": torch.tensor(self.query_offset + queries),
        }

    @classmethod
    def from_state(cls, state: State) -> Memory | None:
        """Unpack what an earlier call left; None where there was none."""
        value, seen = state.get("prev_value"), state.get("queries_seen")
        if value is None or seen is None:
            return None
        return cls(state["prev_key"], value, state["prev_key_padding_mask"], int(seen))

    def append(self, new: Memory) -> Memory:
        """Put the keys of a new step behind those seen before."""
        key = None
        if self.key is not None and new.key is not None:
            key = torch.cat((self.key, new.key), dim=2)
        value = torch.cat((self.value, new.value), dim=2)
        padding = None
        if self.padding is not None or new.padding is not None:
            padding = torch.cat((self._padding_or_none_padded(), new._padding_or_none_padded()), 1)
        return Memory(key, value, padding, self.query_offset)

    def _padding_or_none_padded(self) -> Tensor:
        if self.padding is not None:
            return self.padding.to(torch.bool)
        batch, _, length, _ = self.value.shape
        return torch.zeros(batch, length, dtype=torch.bool, device=self.value.device)
