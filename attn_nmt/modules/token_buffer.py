"""The tokens of a search so far, each written once and never moved."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from attn_nmt.functional.deformable import TokenTable
from attn_nmt.modules.incremental import State

SHARED_STATE = ("rows", "filled")
"""What belongs to the whole batch in the cache, and is not reordered."""


class TokenBuffer(NamedTuple):
    """Inputs of earlier decoding steps, and where those of each sentence are.

    A step writes its own behind the others, in place; a copy of an earlier cache that shares the
    tensors cannot be gone on with beside the later one. A beam search reorders numbers alone.

    Shape:
        - rows: (room, C), of which the first ``filled`` are; None before the first step
        - place: (B, L), the row of each token of each sentence
    """

    rows: Tensor | None
    place: Tensor | None
    filled: int

    def to_state(self) -> State:
        """Pack for the cache."""
        return {"rows": self.rows, "place": self.place, "filled": torch.tensor(self.filled)}

    @classmethod
    def from_state(cls, state: State) -> TokenBuffer:
        """Unpack what an earlier call left; an empty buffer where there was none."""
        filled = state.get("filled")
        return cls(state.get("rows"), state.get("place"), 0 if filled is None else int(filled))

    def append(self, new: Tensor) -> TokenBuffer:
        """Write the tokens of a step, (n, B, C), behind those before."""
        tokens = new.flatten(0, 1)
        end = self.filled + len(tokens)
        rows = self._with_room(end, tokens)
        rows[self.filled : end] = tokens
        # (n * B) -> (n, B) -> (B, n)
        place = torch.arange(self.filled, end, device=new.device).view(new.shape[:2]).T
        if self.place is not None:
            place = torch.cat((self.place, place), dim=1)
        return TokenBuffer(rows, place, end)

    def _with_room(self, needed: int, like: Tensor) -> Tensor:
        # Where gradients are kept, an earlier step may still need the buffer as it was.
        if self.rows is not None and needed <= len(self.rows) and not torch.is_grad_enabled():
            return self.rows
        wider = like.new_zeros(needed if torch.is_grad_enabled() else 2 * needed, like.size(1))
        if self.rows is not None:
            wider[: self.filled] = self.rows[: self.filled]
        return wider

    def table(self) -> TokenTable:
        """Return the tokens so far for reading."""
        assert self.rows is not None, "a step has been written"
        assert self.place is not None, "a step has been written"
        return TokenTable(self.rows, self.place, self.place.size(1))
