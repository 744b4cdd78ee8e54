"""How each cell of a grid is drawn: one colour, marker and dash, the same in every figure.

The colours are those of Okabe and Ito (2008, "Color Universal Design"), which readers with any
common kind of colour blindness can tell apart, without yellow, which is too pale on white. After
seven cells they repeat with another marker and dash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

COLOURS = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "bluish green": "#009E73",
    "reddish purple": "#CC79A7",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "black": "#000000",
}
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
        marker, dash = MARKERS[repeats % len(MARKERS)], DASHES[repeats % len(DASHES)]
        styles[cell] = CellStyle(colours[colour], marker, dash)
    return styles
