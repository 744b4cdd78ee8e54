"""What there is to see of a sublayer, whatever its mechanism."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]


def array(values: Tensor) -> Array:
    """Return a tensor as a numpy array."""
    converted: Array = values.detach().cpu().numpy()
    return converted


def signed(number: float) -> str:
    """Return a distance as text: "-1", "0", "+0.5"."""
    return f"{number:+g}" if number else "0"


@dataclass(frozen=True)
class Picture:
    """A table of numbers per head, to be drawn in colours.

    Shape:
        - values: (H, R, N), zero where masked
        - masked: (R, N), True = no value
    """

    name: str
    meaning: str
    """What a number says, in a sentence or two."""
    values: Array
    masked: Array
    mask_means: str
    """Why a cell is masked, in a few words."""
    rows: Sequence[str]
    columns: Sequence[str]
    row_axis: str
    """What a row is, in a few words."""
    column_axis: str
    kind: str = "weight"
    """"weight", at least 0; or "energy", of either sign, and those of a panel add up."""
    is_derived: bool = False
    """True if it follows from the other pictures, and need not be printed beside them."""

    @property
    def unit(self) -> str:
        """What the colours stand for."""
        return "energy, nats" if self.kind == "energy" else "weight"


@dataclass(frozen=True)
class Arrows:
    """Where the taps of each token read.

    Shape:
        - offsets, positions: (L, K), in tokens
        - reads: (L, K), the sum of the interpolation weights, 0 to 1
        - neighbours, shares: (L, K, 2), the tokens around each position and their weights
    """

    tokens: Sequence[str]
    taps: Sequence[str]
    offsets: Array
    positions: Array
    reads: Array
    neighbours: Array
    shares: Array
    why_zero: str
    """Where nothing is read, in a few words."""


@dataclass(frozen=True)
class TermShares:
    """How much each term contributes to the weights not being uniform.

    Shape:
        - nats: (H, terms), a mean over the queries; a term may be negative, their sum may not
    """

    terms: Sequence[str]
    nats: Array


@dataclass(frozen=True)
class Panel:
    """One sublayer of one layer."""

    part: str
    """Which of the layer's sublayers, the same in every layer."""
    layer: str
    """Counted from 1, or "all"."""
    path: str
    """The name of the module in the model."""
    mechanism: str
    """With its settings, or "none"."""
    notes: Sequence[str] = ()
    """A sentence or more each; they say why there is no picture if there is none."""
    pictures: Sequence[Picture] = ()
    arrows: Arrows | None = None
    shares: TermShares | None = None
    arrays: dict[str, Array] = field(default_factory=dict)
    """Everything in full precision, by names for the npz."""

    @property
    def title(self) -> str:
        """What it is, in one line."""
        where = "all layers" if self.layer == "all" else f"layer {self.layer}"
        return f"{self.part}, {where}: {self.mechanism}"

    @property
    def is_drawn(self) -> bool:
        """Whether there is a picture."""
        return bool(self.pictures) or self.arrows is not None
