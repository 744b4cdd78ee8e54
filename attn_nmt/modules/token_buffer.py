"""The tokens of a sentence so far, in a buffer with room for those to come."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from attn_nmt.functional.deformable import TokenTable
from attn_nmt.modules.incremental import State

SHARED_STATE = ("length",)
"""What belongs to the whole batch in the cache, and is not reordered."""


class TokenBuffer(NamedTuple):
    """Inputs of earlier decoding steps; a step writes its own, and copies nothing but now and then.

    Shape:
        - tokens: (B, room, C), of which the first ``length`` are filled; None before the first step
    """

    tokens: Tensor | None
    length: int

    def to_state(self) -> State:
        """Pack for the cache."""
        return {"tokens": self.tokens, "length": torch.tensor(self.length)}

    @classmethod
    def from_state(cls, state: State) -> TokenBuffer:
        """Unpack what an earlier call left; an empty buffer where there was none."""
        length = state.get("length")
        return cls(state.get("tokens"), 0 if length is None else int(length))

    def append(self, new: Tensor) -> TokenBuffer:
        """Write the tokens of a step, (B, n, C), behind those before."""
        end = self.length + new.size(1)
        tokens = self.tokens
        # Where gradients are kept, an earlier step may still need the buffer as it was.
        if tokens is None or end > tokens.size(1) or torch.is_grad_enabled():
            room = end if torch.is_grad_enabled() else 2 * end
            wider = new.new_zeros(new.size(0), room, new.size(2))
            if tokens is not None:
                wider[:, : self.length] = tokens[:, : self.length]
            tokens = wider
        tokens[:, self.length : end] = new
        return TokenBuffer(tokens, end)

    def table(self) -> TokenTable:
        """Return the tokens so far for reading: token k of sentence b is row b * room + k."""
        assert self.tokens is not None, "a step has been written"
        batch, room, _ = self.tokens.shape
        starts = torch.arange(0, batch * room, room, device=self.tokens.device)
        return TokenTable(self.tokens.flatten(0, 1), starts, 1, self.length)
