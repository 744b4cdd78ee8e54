"""Deformable convolution: where each token's taps read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attn_nmt.modules import DeformableConv1d
from attn_nmt.study.inspecting.attention_views import array
from attn_nmt.study.inspecting.panel import Array, Arrows, signed


@dataclass(frozen=True)
class DeformableView:
    """The sampling of one sentence.

    Shape:
        - offsets o_qm, positions q + p_m + o_qm: (L, K), in tokens
        - neighbours, neighbour_shares: (L, K, 2), the tokens around each position and how much of
          each is read
    """

    offsets: Tensor
    positions: Tensor
    neighbours: Tensor
    neighbour_shares: Tensor
    causal: bool

    @classmethod
    @torch.no_grad()
    def of(cls, module: DeformableConv1d, x: Tensor) -> DeformableView:
        """Ask the module where it reads; x: (L, 1, C)."""
        offsets = module.offsets(x)
        found = module.sampling(offsets, length=len(x))
        positions, token, share = (values.squeeze(1) for values in found)
        return cls(offsets.squeeze(1), positions, token, share, module.causal)

    @property
    def taps(self) -> list[str]:
        """Where each tap stands without an offset, p_m, as text."""
        place = self.positions - self.offsets - torch.arange(len(self.offsets))[:, None]
        # Of the first token; rounded, for the difference need not be exact.
        return [signed(round(number, 1)) for number in place[0].tolist()]

    def arrows(self, tokens: Sequence[str]) -> Arrows:
        """Return the arrows from each token to where it reads."""
        outside = "outside the sentence"
        return Arrows(
            tokens,
            self.taps,
            array(self.offsets),
            array(self.positions),
            array(self.neighbour_shares.sum(-1)),
            array(self.neighbours),
            array(self.neighbour_shares),
            f"{outside} or to the right of the token" if self.causal else outside,
        )

    def arrays(self) -> dict[str, Array]:
        """Return everything by name."""
        names = ("offsets", "positions", "neighbours", "neighbour_shares")
        return {name: array(getattr(self, name)) for name in names}
