"""How each cell of a grid is drawn: one colour, marker and dash, the same in every figure.

Neighbours differ in colour and marker; after seven cells both repeat in other pairs, with another
dash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from attn_nmt.study.colours import COLOURS

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
Dash = Literal["-", "--", ":", "-."]
DASHES: tuple[Dash, ...] = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class CellStyle:
    """How one cell is drawn, in matplotlib's words."""

    colour: str
    marker: str
    dash: Dash


def cell_styles(cells: Sequence[str]) -> dict[str, CellStyle]:
    """Return the style of each cell, by its place in the grid whether it has results or not.

    The first 196 are all different.
    """
    colours = list(COLOURS.values())
    styles = {}
    for number, cell in enumerate(cells):
        repeats, colour = divmod(number, len(colours))
        marker = MARKERS[(number + repeats) % len(MARKERS)]
        dash = DASHES[repeats % len(DASHES)]
        styles[cell] = CellStyle(colours[colour], marker, dash)
    return styles
