"""The figures of a report: BLEU over multiply-adds, and learning curves."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from adjustText import adjust_text
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from attn_nmt.study.reporting.cell_styles import CellStyle
from attn_nmt.study.running.training_log import Curves
from attn_nmt.study.tables import Row

FORMATS = ("svg", "png")
STYLE = {
    "text.parse_math": False,  # a dollar sign in a name is one
    "svg.fonttype": "path",  # letters look the same everywhere
    "svg.hashsalt": "attn_nmt",  # the same figure is the same file
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}
_DPI = 150

_TEXT, _ENVELOPE = "0.15", "0.45"
_LABEL_ITERATIONS = 300
_LABEL_HEIGHTS = 5
# Found by trial on the paper's grids and on the committed results, with the size of the figure: no
# label overlaps another one or a point.
_LABEL_FORCES: dict[str, tuple[float, float]] = {
    "expand": (1.3, 1.8),
    "force_text": (0.3, 0.5),
    "force_static": (0.5, 1.0),
    "force_explode": (0.3, 1.0),
    "max_move": (20, 20),
}

_WARMUP = 0.1
"""The fraction of a run's updates during which its loss may leave the axes at the top."""
_LINE: dict[str, Any] = {"linewidth": 1, "markersize": 4}
_ROWS_OF_LEGEND = 24
_MAX_MARKED = 20
"""The most losses of a curve that are marked with a point each."""


def draw(make: Callable[[], Figure], title: str) -> dict[str, bytes]:
    """Return a figure in each of ``FORMATS``, with a title for those who do not see it.

    The user's ``matplotlibrc`` does not change it.
    """
    with style.context(["default", STYLE]):
        figure = make()
        return {form: _saved(figure, form, title) for form in FORMATS}


def _saved(figure: Figure, form: str, title: str) -> bytes:
    file = io.BytesIO()
    metadata = {"Title": title} | ({"Date": None} if form == "svg" else {})
    figure.savefig(file, format=form, dpi=_DPI, metadata=metadata)
    return file.getvalue()


def bleu_over_gmacs(rows: Sequence[Row], length: int, styles: Mapping[str, CellStyle]) -> Figure:
    """Return BLEU over multiply-adds with the upper envelope, as Figure 3 (c) and (d) of the paper.

    Every row that has a score is a labelled point with its deviation over two or more seeds; the
    labels of those on the envelope are bold.

    Args:
        rows: of one grid; at least one has a score.
        length: tokens of each side for the multiply-adds.
        styles: how each cell is drawn.
    """
    scored = [row for row in rows if row["bleu"] is not None]
    figure = Figure(figsize=(10, 8), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(f"GMACs (10⁹ multiply-adds) of a sentence pair, {length} tokens per side")
    axes.set_ylabel("BLEU, mean and standard deviation over the seeds (no bar: one seed)")
    axes.margins(0.1)
    _draw_envelope(axes, [row for row in scored if row["on_envelope"]])
    for row in scored:
        cell = styles[row["cell"]]
        axes.errorbar(
            row["gmacs"],
            row["bleu"],
            yerr=row["bleu_deviation"],
            fmt=cell.marker,
            markersize=6,
            capsize=3,
            elinewidth=1,
            color=cell.colour,
            ecolor=(cell.colour, 0.5),
        )
    figure.draw_without_rendering()  # labels can be placed only once all sizes are known
    _label_points(axes, scored)
    return figure


def _draw_envelope(axes: Axes, rows: Sequence[Row]) -> None:
    points = sorted((row["gmacs"], row["bleu"]) for row in rows)
    if len(points) < 2:
        return
    axes.plot(
        *zip(*points, strict=True),
        drawstyle="steps-post",
        color=_ENVELOPE,
        linewidth=1,
        label="upper envelope",
    )
    axes.legend(loc="lower right")


def _label_points(axes: Axes, rows: Sequence[Row]) -> None:
    """Put the names beside their points, away from each other.

    They start at heights of their own: texts at the same place have no direction in which to part.
    """
    bottom, top = axes.get_ylim()
    halo = withStroke(linewidth=2.5, foreground="white")
    texts = [
        axes.text(
            row["gmacs"],
            row["bleu"] + (number % _LABEL_HEIGHTS - _LABEL_HEIGHTS // 2) * (top - bottom) / 100,
            row["cell"],
            fontsize=8,
            fontweight="bold" if row["on_envelope"] else "normal",
            color=_TEXT,  # some of the colours are too pale for text
            path_effects=[halo],
        )
        for number, row in enumerate(sorted(rows, key=lambda row: row["gmacs"]))
    ]
    adjust_text(
        texts,
        [row["gmacs"] for row in rows],
        [row["bleu"] for row in rows],
        ax=axes,
        iter_lim=_LABEL_ITERATIONS,
        **_LABEL_FORCES,
        arrowprops={"arrowstyle": "-", "color": "0.4", "linewidth": 0.6},
    )


def learning_curves(
    cells: Sequence[tuple[str, Sequence[Curves]]], styles: Mapping[str, CellStyle]
) -> Figure:
    """Return validation and training losses side by side, one line per run, one colour per cell.

    Args:
        cells: the name of each, and the curves of its seeds; at least one.
        styles: how each cell is drawn.
    """
    columns = -(-len(cells) // _ROWS_OF_LEGEND)
    figure = Figure(figsize=(10 + 1.5 * columns, 5), layout="constrained")
    validation, training = figure.subplots(1, 2, sharey=True)
    for name, seeds in cells:
        for curves in seeds:
            _line(validation, curves.validation, styles[name])
            _line(training, curves.training, styles[name])
    validation.set_ylabel("loss, bits per token")
    _cut_off_warmup(validation, [curves for _, seeds in cells for curves in seeds])
    for axes, title in ((validation, "validation"), (training, "training")):
        axes.set_title(title)
        axes.set_xlabel("updates")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if not axes.has_data():
            axes.text(0.5, 0.5, "no loss was logged", transform=axes.transAxes, ha="center")
    handles = [
        Line2D([], [], color=style.colour, linestyle=style.dash, marker=style.marker, **_LINE)
        for style in (styles[name] for name, _ in cells)
    ]
    names = [name for name, _ in cells]
    figure.legend(
        handles, names, loc="outside right upper", ncols=columns, fontsize=8, handlelength=3
    )
    return figure


def _cut_off_warmup(axes: Axes, runs: Sequence[Curves]) -> None:
    """Let the first losses leave the axes at the top: they would flatten the rest to a line."""
    later = [
        loss
        for run in runs
        for curve in (run.validation, run.training)
        for update, loss in curve.items()
        if update >= _WARMUP * max(curve) and isfinite(loss)
    ]
    if later and min(later) < max(later):
        margin = 0.05 * (max(later) - min(later))
        axes.set_ylim(min(later) - margin, max(later) + margin)


def _line(axes: Axes, curve: dict[int, float], style: CellStyle) -> None:
    """Draw one curve; without markers a curve of one point would not be seen."""
    if curve:
        marker = style.marker if len(curve) <= _MAX_MARKED else ""
        axes.plot(
            list(curve),
            list(curve.values()),
            color=style.colour,
            linestyle=style.dash,
            marker=marker,
            **_LINE,
        )
