"""The panels as PNGs, one per sublayer with all its heads."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from attn_nmt.atomic import replacing
from attn_nmt.study.colours import COLOURS
from attn_nmt.study.inspecting.panel_data import Arrows, Panel, Picture

_CELL, _LABELS, _TITLE = 0.16, 1.1, 0.5
"""Inches of a cell, of the labels beside a heat map, and of the title above it."""
_MIN_WIDTH, _MAX_SIDE = 1.8, 6.0
"""Inches of the sides of a heat map; cells shrink for long sentences."""
_HEADS_PER_ROW = 8
_MASKED = "0.85"
_ORANGE, _BLUE = "#b34700", "#08408c"
_COLOURS = {
    "weight": LinearSegmentedColormap.from_list("weight", ["white", _BLUE]),
    "energy": LinearSegmentedColormap.from_list("energy", [_ORANGE, "white", _BLUE]),
}
"""As in the page; readers with any common kind of colour blindness tell orange from blue."""
_TITLE_LETTERS, _HEAD_LETTERS, _AXIS_LETTERS = 14.0, 18.5, 19.0
"""How many letters of a title, of that of a head and of the name of an axis fit into an inch."""


def write_picture(path: Path, panel: Panel) -> None:
    """Write a panel that has something to draw."""
    figure = draw(panel)
    FigureCanvasAgg(figure)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=110)


def draw(panel: Panel) -> Figure:
    """Return the figure of a panel that has something to draw."""
    figure = _heat_maps(panel) if panel.arrows is None else _arrows(panel.arrows)
    width, _ = figure.get_size_inches()
    figure.suptitle(_wrapped(panel.title, _TITLE_LETTERS * width), fontsize=9)
    return figure


def _heat_maps(panel: Panel) -> Figure:
    """Return heat maps: the heads side by side, the pictures below each other."""
    pictures = [picture for picture in panel.pictures if not picture.is_derived]
    heads = len(pictures[0].values)
    columns = min(heads, _HEADS_PER_ROW)
    rows = [
        (picture, range(first, min(first + columns, heads)))
        for picture in pictures
        for first in range(0, heads, columns)
    ]
    width = max(_side(picture.columns, _MIN_WIDTH) for picture in pictures) + 0.3
    heights = [_side(picture.rows, _CELL) + _LABELS + _TITLE for picture, _ in rows]
    size = (width * columns + _LABELS, sum(heights) + _TITLE)
    figure = Figure(figsize=size, layout="constrained")
    grid: Any = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    for row_of_axes, (picture, shown_heads) in zip(grid, rows, strict=True):
        for axes in row_of_axes[len(shown_heads) :]:
            axes.set_axis_off()
        for axes, head in zip(row_of_axes, shown_heads, strict=False):
            image = _heat_map(axes, picture, head)
            if head > shown_heads[0]:
                axes.set_yticks([])
        row_of_axes[0].set_ylabel(
            _wrapped(picture.row_axis, _AXIS_LETTERS * _side(picture.rows, _CELL)), fontsize=6
        )
        bar = figure.colorbar(image, ax=list(row_of_axes), shrink=0.7)
        bar.ax.tick_params(labelsize=6)
        bar.set_label(picture.unit, fontsize=6)
    return figure


def _heat_map(axes: Axes, picture: Picture, head: int) -> AxesImage:
    """Draw one head, with the same colour scale for all heads of a picture."""
    highest = float(np.abs(picture.values).max()) or 1.0
    colours = _COLOURS[picture.kind].with_extremes(bad=_MASKED)
    lowest = 0.0 if picture.kind == "weight" else -highest
    values = np.ma.masked_array(picture.values[head], picture.masked)
    image = axes.imshow(values, cmap=colours, vmin=lowest, vmax=highest, aspect="auto")
    name = f"{picture.name}, head {head + 1}" if len(picture.values) > 1 else picture.name
    width = _side(picture.columns, _MIN_WIDTH)
    axes.set_title(_wrapped(name, _HEAD_LETTERS * width), fontsize=7)
    axes.set_xlabel(_wrapped(picture.column_axis, _AXIS_LETTERS * width), fontsize=6)
    axes.set_xticks(range(len(picture.columns)), _all_escaped(picture.columns), rotation=90)
    axes.set_yticks(range(len(picture.rows)), _all_escaped(picture.rows))
    cell = min(_side(names, _CELL) / len(names) for names in (picture.rows, picture.columns))
    axes.tick_params(labelsize=min(6.0, 36 * cell), length=0)
    return image


def _side(names: Sequence[str], smallest: float) -> float:
    return min(_MAX_SIDE, max(smallest, _CELL * len(names)))


def _arrows(arrows: Arrows) -> Figure:
    """Return arrows from each token on the left to where its taps read on the right."""
    length = len(arrows.tokens)
    figure = Figure(figsize=(5.5, 0.2 * (length + 2) + 1.2), layout="constrained")
    axes = figure.subplots()
    colours = list(COLOURS.values())
    for tap, name in enumerate(arrows.taps):
        colour = colours[tap % len(colours)]
        axes.plot([], [], color=colour, label=f"tap {name}")
        for token in range(length):
            # Positions beyond the sentence are drawn just outside it.
            position = float(np.clip(arrows.positions[token, tap], -1, length))
            reads = float(arrows.reads[token, tap])
            style = {"color": colour, "linestyle": "-" if reads else ":", "lw": 0.9}
            axes.annotate(
                "",
                (1, position),
                (0, token),
                arrowprops={"arrowstyle": "->", "alpha": 0.35 + 0.65 * reads, **style},
                annotation_clip=False,
            )
    axes.set(xlim=(0, 1), ylim=(length, -1), xticks=[0, 1])
    axes.set_xticklabels(["token", "reads at (tokens)"])
    axes.set_yticks(range(length), _all_escaped(arrows.tokens))
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(length), _all_escaped(arrows.tokens))
    for side in (axes, right):
        side.tick_params(labelsize=7)
    axes.set_xlabel(f"dotted: {arrows.why_zero}, reads zero", fontsize=7)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=4, fontsize=7)
    return figure


def _wrapped(text: str, letters: float) -> str:
    """Return text in lines of at most that many letters."""
    return _escaped("\n".join(textwrap.wrap(text, max(12, int(letters)))))


def _escaped(text: str) -> str:
    """Keep matplotlib from parsing dollar signs as formulas."""
    return text.replace("$", r"\$")


def _all_escaped(texts: Sequence[str]) -> list[str]:
    return [_escaped(text) for text in texts]
