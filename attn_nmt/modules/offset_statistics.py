"""What a training log should say about offsets: do they move, and do they explode?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class OffsetStatistics:
    """Of the sampling positions of one call, padding left out; numbers as tensors without axes."""

    mean: Tensor
    """Mean absolute offset, in tokens."""
    maximum: Tensor
    """Largest absolute offset, in tokens."""
    outside: Tensor
    """Share of the taps' weight that falls outside the sentence or, if causal, on later tokens."""
    count: Tensor
    """Number of sampling positions."""

    @classmethod
    @torch.no_grad()
    def of(
        cls, offsets: Tensor, token: Tensor, share: Tensor, padding_mask: Tensor | None
    ) -> OffsetStatistics:
        """Look at what :func:`attn_nmt.functional.deformable.neighbours` returned.

        Shape:
            - offsets: (L, B, K); token, share: (L, B, K, 2)
            - padding_mask: (B, L), True = padding
        """
        moved = offsets.detach().abs().float()
        real = torch.ones_like(moved, dtype=torch.bool)
        if padding_mask is not None:
            real = real & ~padding_mask.T.unsqueeze(-1)
            # (B, L) read at (B, L * K * 2), and back to the axes of token
            padded = padding_mask.gather(1, token.transpose(0, 1).flatten(1))
            share = share * ~padded.view_as(token.transpose(0, 1)).transpose(0, 1)
        moved = moved.masked_fill(~real, 0.0)
        outside = (1 - share.sum(-1)).masked_fill(~real, 0.0)
        count = real.sum()
        some = count.clamp(min=1)
        return cls(moved.sum() / some, moved.max(), outside.sum() / some, count)
