"""Convolutions: the kernel of every position and where it lies, and where deformable taps read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from attn_nmt.functional.headwise_convolution import band_matrix
from attn_nmt.modules import DeformableConv1d
from attn_nmt.modules.headwise_conv1d import HeadwiseConv1d
from attn_nmt.study.inspecting.panel_data import Array, Arrows, Panel, Picture, array, signed

_BAND = (
    "The weight of each token (column) for each token (row), after the gate; a row adds up to 1 "
    "together with the first and last column, the taps outside the sentence, which count as zero."
)
_TAPS = (
    "The weight of each tap (column) at each token (row), by its distance in tokens; + is to the "
    "right."
)


def kernels_panel(
    panel: Panel,
    module: HeadwiseConv1d,
    inputs: Mapping[str, Tensor],
    rows: Sequence[str],
    columns: Sequence[str],
) -> Panel:
    """Complete the panel of a headwise convolution; rows and columns are equal."""
    view = KernelView.of(module, inputs["x"])
    gate = "gated" if module.glu else "not gated"
    notes = [
        f"A convolution of {module.kernel_size} taps and {module.num_heads} heads replaces "
        f"self-attention; each head's kernel serves {module.embed_dim // module.num_heads} "
        "channels. There are no queries, keys or terms."
    ]
    if view.is_shared:
        notes.append("It has one kernel per head, the same for all tokens and all sentences.")
    return replace(
        panel,
        mechanism=f"{panel.mechanism}, {gate}",
        notes=notes,
        pictures=view.pictures(rows),
        arrays=view.arrays(),
    )


def deformable_panel(
    panel: Panel,
    module: DeformableConv1d,
    inputs: Mapping[str, Tensor],
    rows: Sequence[str],
    columns: Sequence[str],
) -> Panel:
    """Complete the panel of a deformable convolution; rows and columns are equal."""
    view = DeformableView.of(module, inputs["x"])
    notes = [
        "All channels read at the same positions: there are no heads. Between two tokens, the two "
        "are interpolated linearly; anything else counts as zero."
    ]
    return replace(
        panel,
        mechanism=f"deformable convolution of {module.kernel_size} taps",
        notes=notes,
        arrows=view.arrows(rows),
        arrays=view.arrays(),
    )


@dataclass(frozen=True)
class KernelView:
    """The kernels of a dynamic or lightweight convolution for one sentence of L tokens.

    Shape:
        - kernel: (H, L, K), or (H, 1, K) if all positions share one
        - backward: how many tokens before its position a kernel begins
    """

    kernel: Tensor
    backward: int
    length: int
    is_shared: bool
    """Whether all positions have the same kernel."""

    @classmethod
    @torch.no_grad()
    def of(cls, module: HeadwiseConv1d, x: Tensor) -> KernelView:
        """Ask the module for its kernels; x: (L, 1, C)."""
        # Given two rows, a kernel that all positions share still comes once.
        kernels = module.kernels(module.gate(x.expand(-1, 2, -1)))
        return cls(kernels[0], module.backward, len(x), is_shared=len(kernels) == 1)

    @property
    def window(self) -> Tensor:
        """The kernels as a band over the sentence and the positions around it.

        Shape:
            - output: (H, L, L + K - 1), of which column ``backward`` is the first token
        """
        return band_matrix(self.kernel, self.length)

    @property
    def band(self) -> Tensor:
        """The part of the window inside the sentence, (H, L, L)."""
        return self.window[..., self.backward : self.backward + self.length]

    @property
    def distances(self) -> Tensor:
        """How far each tap lies from its position, in tokens: (K)."""
        return torch.arange(self.kernel.size(-1)) - self.backward

    def pictures(self, tokens: Sequence[str]) -> list[Picture]:
        """Return the kernels as bands, with the taps outside the sentence, and tap by tap."""
        end = self.backward + self.length
        parts = (
            self.window[..., : self.backward].sum(-1, keepdim=True),
            self.band,
            self.window[..., end:].sum(-1, keepdim=True),
        )
        # True where any tap lies: the band of a kernel of ones.
        has_tap = band_matrix(torch.ones(1, self.kernel.size(-1)), self.length) > 0
        has_tap_parts = (
            has_tap[:, : self.backward].any(-1, keepdim=True),
            has_tap[:, self.backward : end],
            has_tap[:, end:].any(-1, keepdim=True),
        )
        return [
            Picture(
                "kernels as bands",
                _BAND,
                array(torch.cat(parts, -1)),
                array(~torch.cat(has_tap_parts, -1)),
                "outside the kernel's window",
                tokens,
                ["before the sentence", *tokens, "after the sentence"],
                "token",
                "token that is read",
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
        return Picture(
            "kernels tap by tap",
            _TAPS,
            array(self.kernel.masked_fill(outside, 0.0)),
            array(outside),
            "outside the sentence, counts as zero",
            rows,
            columns,
            "token",
            "distance of the tap, tokens",
        )

    def arrays(self) -> dict[str, Array]:
        """Return everything by name."""
        return {
            "kernel": array(self.kernel),
            "distances": array(self.distances),
            "band": array(self.band),
        }


@dataclass(frozen=True)
class DeformableView:
    """Where a deformable convolution reads in one sentence.

    Shape:
        - offsets o_qm, positions q + p_m + o_qm: (L, K), in tokens
        - neighbours, neighbour_shares: (L, K, 2), the tokens around each position and their
          interpolation weights
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
        sampling = module.sampling(offsets, length=len(x))
        positions, neighbours, shares = (values.squeeze(1) for values in sampling)
        return cls(offsets.squeeze(1), positions, neighbours, shares, module.causal)

    @property
    def taps(self) -> list[str]:
        """The place of each tap without an offset, p_m, as text."""
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
