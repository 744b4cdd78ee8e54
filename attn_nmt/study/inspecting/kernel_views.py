"""Dynamic and lightweight convolution: the kernel of every position, and where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attn_nmt.functional.headwise_convolution import band_matrix
from attn_nmt.modules.headwise_conv1d import HeadwiseConv1d
from attn_nmt.study.inspecting.attention_views import array
from attn_nmt.study.inspecting.panel import Array, Picture, signed


@dataclass(frozen=True)
class KernelView:
    """The kernels of one sentence of L tokens.

    Shape:
        - kernel: (H, L, K), or (H, 1, K) if all positions share one
        - back: how many tokens before its position a kernel begins
    """

    kernel: Tensor
    back: int
    length: int

    @classmethod
    @torch.no_grad()
    def of(cls, module: HeadwiseConv1d, x: Tensor) -> KernelView:
        """Ask the module for its kernels; x: (L, 1, C)."""
        return cls(module.kernels(module.gate(x))[0], module.backward, len(x))

    @property
    def is_shared(self) -> bool:
        """True if all positions have the same kernel."""
        return self.kernel.size(1) == 1

    @property
    def window(self) -> Tensor:
        """The kernels as a band over the sentence and what they reach around it.

        Shape:
            - output: (H, L, L + K - 1), of which column ``back`` is the first token
        """
        return band_matrix(self.kernel, self.length)

    @property
    def band(self) -> Tensor:
        """The part of the window that lies in the sentence, (H, L, L)."""
        return self.window[..., self.back : self.back + self.length]

    @property
    def distances(self) -> Tensor:
        """How far each tap lies from its position, in tokens: (K)."""
        return torch.arange(self.kernel.size(-1)) - self.back

    def pictures(self, tokens: Sequence[str]) -> list[Picture]:
        """Return the kernels as bands, with what falls outside, and tap by tap."""
        end = self.back + self.length
        parts = (
            self.window[..., : self.back].sum(-1, keepdim=True),
            self.band,
            self.window[..., end:].sum(-1, keepdim=True),
        )
        # True where a tap of any position lies: the band of a kernel of ones.
        reached = band_matrix(torch.ones(1, self.kernel.size(-1)), self.length) > 0
        reaches = (
            reached[:, : self.back].any(-1, keepdim=True),
            reached[:, self.back : end],
            reached[:, end:].any(-1, keepdim=True),
        )
        return [
            Picture(
                "kernels as bands",
                BAND,
                array(torch.cat(parts, -1)),
                array(~torch.cat(reaches, -1)),
                "out of the kernel's reach",
                tokens,
                ["before the sentence", *tokens, "after the sentence"],
            ),
            self._by_tap(tokens),
        ]

    def _by_tap(self, tokens: Sequence[str]) -> Picture:
        columns = [signed(distance) for distance in self.distances.tolist()]
        if self.is_shared:
            rows, outside = ["every token"], torch.zeros(1, len(columns), dtype=torch.bool)
        else:
            place = torch.arange(self.length)[:, None] + self.distances
            rows, outside = list(tokens), (place < 0) | (place >= self.length)
        values = array(self.kernel.masked_fill(outside, 0.0))
        return Picture(
            "kernels tap by tap",
            TAPS,
            values,
            array(outside),
            "outside the sentence, counts as zero",
            rows,
            columns,
        )

    def arrays(self) -> dict[str, Array]:
        """Return everything by name."""
        return {
            "kernel": array(self.kernel),
            "distances": array(self.distances),
            "band": array(self.band),
        }


BAND = (
    "What each token (row) takes of each token (column), after the gate; a row adds up to 1 with "
    "the first and the last column, the taps outside the sentence, which count as zero."
)
TAPS = (
    "The weight of each tap (column) at each token (row), by its distance in tokens; + is to the "
    "right."
)
