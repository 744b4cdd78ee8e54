"""The panels as PNGs, one a sublayer with all its heads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from attn_nmt.atomic import replacing
from attn_nmt.study.inspecting.panel import Arrows, Panel, Picture

CELL, LABELS, TITLE = 0.16, 1.1, 0.5
"""Inches of a cell of a table, of the names beside it, and of what is written above."""
SMALLEST, LARGEST = 1.8, 6.0
"""Inches of the side of a table; cells shrink for long sentences."""
ABREAST = 8
"""Heads side by side; more go into further rows."""
MASKED = "0.85"
COLOURS = {"weight": "Blues", "energy": "RdBu"}


def file_name(panel: Panel) -> str:
    """Return the name of a panel's picture."""
    return f"{panel.path}.png"


def write_picture(path: Path, panel: Panel) -> None:
    """Write a panel that has something to draw."""
    figure = draw(panel)
    FigureCanvasAgg(figure)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=110)


def draw(panel: Panel) -> Figure:
    """Return the figure of a panel that has something to draw."""
    figure = _tables(panel) if panel.arrows is None else _arrows(panel.arrows)
    figure.suptitle(_plain(panel.title), fontsize=9)
    return figure


def _tables(panel: Panel) -> Figure:
    """Put the heads side by side and the pictures below each other."""
    pictures = [picture for picture in panel.pictures if not picture.is_derived]
    heads = len(pictures[0].values)
    abreast = min(heads, ABREAST)
    rows = [
        (picture, range(first, min(first + abreast, heads)))
        for picture in pictures
        for first in range(0, heads, abreast)
    ]
    width = max(_side(picture.columns, SMALLEST) for picture in pictures) + 0.3
    heights = [_side(picture.rows, CELL) + LABELS + TITLE for picture, _ in rows]
    size = (width * abreast + LABELS, sum(heights) + TITLE)
    figure = Figure(figsize=size, layout="constrained")
    grid: Any = figure.subplots(len(rows), abreast, squeeze=False, height_ratios=heights)
    for axes_of_row, (picture, shown) in zip(grid, rows, strict=True):
        for axes in axes_of_row[len(shown) :]:
            axes.set_axis_off()
        for axes, head in zip(axes_of_row, shown, strict=False):
            drawn = _table(axes, picture, head)
            if head > shown[0]:
                axes.set_yticks([])
        figure.colorbar(drawn, ax=list(axes_of_row), shrink=0.7).ax.tick_params(labelsize=6)
    return figure


def _table(axes: Axes, picture: Picture, head: int) -> Any:
    """Draw one head; colours mean the same in all heads of a picture."""
    highest = float(np.abs(picture.values).max()) or 1.0
    colours = mpl.colormaps[COLOURS[picture.kind]].with_extremes(bad=MASKED)
    lowest = 0.0 if picture.kind == "weight" else -highest
    values = np.ma.masked_array(picture.values[head], picture.masked)
    drawn = axes.imshow(values, cmap=colours, vmin=lowest, vmax=highest, aspect="auto")
    name = f"{picture.name}, head {head + 1}" if len(picture.values) > 1 else picture.name
    axes.set_title(_plain(name), fontsize=7)
    axes.set_xticks(range(len(picture.columns)), _all_plain(picture.columns), rotation=90)
    axes.set_yticks(range(len(picture.rows)), _all_plain(picture.rows))
    cell = min(_side(names, CELL) / len(names) for names in (picture.rows, picture.columns))
    axes.tick_params(labelsize=min(6.0, 36 * cell), length=0)
    return drawn


def _side(names: Sequence[str], smallest: float) -> float:
    return min(LARGEST, max(smallest, CELL * len(names)))


def _arrows(arrows: Arrows) -> Figure:
    """Draw each token on the left, and to the right of it where its taps read."""
    length = len(arrows.tokens)
    figure = Figure(figsize=(5.5, 0.2 * (length + 2) + 1.2), layout="constrained")
    axes = figure.subplots()
    colours = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
    for tap, name in enumerate(arrows.taps):
        colour = colours[tap % len(colours)]
        axes.plot([], [], color=colour, label=f"tap {name}")
        for token in range(length):
            # Beyond the sentence a place is drawn just outside of it.
            place = float(np.clip(arrows.positions[token, tap], -1, length))
            reads = float(arrows.reads[token, tap])
            style = {"color": colour, "linestyle": "-" if reads else ":", "lw": 0.9}
            axes.annotate(
                "",
                (1, place),
                (0, token),
                arrowprops={"arrowstyle": "->", "alpha": 0.35 + 0.65 * reads, **style},
                annotation_clip=False,
            )
    axes.set(xlim=(0, 1), ylim=(length, -1), xticks=[0, 1])
    axes.set_xticklabels(["token", "reads at"])
    axes.set_yticks(range(length), _all_plain(arrows.tokens))
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(length), _all_plain(arrows.tokens))
    for side in (axes, right):
        side.tick_params(labelsize=7)
    axes.set_xlabel(f"dotted: {arrows.why_zero}, reads zero", fontsize=7)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=4, fontsize=7)
    return figure


def _plain(text: str) -> str:
    """Keep matplotlib from reading formulas into text."""
    return text.replace("$", r"\$")


def _all_plain(texts: Sequence[str]) -> list[str]:
    return [_plain(text) for text in texts]
