"""Context broadcasting: every token gets the mean of its sentence."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from attn_nmt.functional.cumulative import cumulative_sum
from attn_nmt.modules.arguments import require_positive
from attn_nmt.modules.incremental import IncrementalModule, IncrementalState


class CumulativeSum(NamedTuple):
    """The sum of all tokens so far, (B, C), and their number, (B, 1)."""

    total: Tensor
    number: Tensor

    def reorder(self, new_order: Tensor) -> CumulativeSum:
        """Follow a beam search."""
        return CumulativeSum(*(tensor.index_select(0, new_order) for tensor in self))


class ContextBroadcast(IncrementalModule):
    """Uniform attention without parameters (Hyeon-Woo et al. 2022, arXiv 2210.08457)::

        x <- (x + mean) / 2              or, scaled, x + s * mean

    The mean runs over the tokens that are not padding, if causal over those up to the token itself;
    where there is none, it is zero. It is summed in float32 at least.

    Args:
        embed_dim: channels C.
        scaled: learn one s per channel, zero to begin with.
        causal: a token sees none to its right.
    """

    def __init__(self, embed_dim: int, *, scaled: bool = False, causal: bool = False) -> None:
        super().__init__()
        require_positive("embed_dim", embed_dim)
        self.causal = causal
        self.scale = nn.Parameter(torch.zeros(embed_dim)) if scaled else None

    def extra_repr(self) -> str:
        """Say what is computed, for ``print(model)`` and the beginning of fairseq-train's log."""
        return f"scaled={self.scale is not None}, causal={self.causal}"

    def forward(
        self,
        x: Tensor,
        padding_mask: Tensor | None = None,
        incremental_state: IncrementalState | None = None,
    ) -> Tensor:
        """Add the mean, time first; with ``incremental_state``, continue where the last call ended.

        Shape:
            - x, output: (L, B, C)
            - padding_mask: (B, L), True = padding, no part of a mean

        Raises:
            ValueError: if ``incremental_state`` is given to a module that is not causal.
        """
        self.require_causal(incremental_state)
        mean = self._mean(x, padding_mask, incremental_state).to(x.dtype)
        # x + (mean - x) / 2, or x + mean * s
        return x.lerp(mean, 0.5) if self.scale is None else x.addcmul(mean, self.scale)

    def _mean(
        self, x: Tensor, padding_mask: Tensor | None, incremental_state: IncrementalState | None
    ) -> Tensor:
        """Return the mean so far, (L, B, C), or that of the sentence, (1, B, C)."""
        tokens = x.to(torch.promote_types(x.dtype, torch.float32))
        counted = torch.ones_like(tokens[..., :1])
        if padding_mask is not None:
            padded = padding_mask.to(torch.bool).T.unsqueeze(-1)
            tokens, counted = tokens.masked_fill(padded, 0.0), counted.masked_fill(padded, 0.0)
        if not self.causal:
            return tokens.sum(0, keepdim=True) / counted.sum(0, keepdim=True).clamp(min=1.0)
        total, count = cumulative_sum(tokens), counted.cumsum(0)
        past: CumulativeSum | None = self.load_cache(incremental_state)
        if past is not None:
            total, count = total + past.total, count + past.number
        self.store_cache(incremental_state, CumulativeSum(total[-1], count[-1]))
        return total / count.clamp(min=1.0)
