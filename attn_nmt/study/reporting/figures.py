"""The figures of a report: BLEU over multiply-adds, and learning curves."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from math import isfinite

import matplotlib
from adjustText import adjust_text
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

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

_ON_ENVELOPE, _BELOW = "tab:red", "tab:blue"
_LABEL_ITERATIONS = 300
# Found by trial on the paper's grids: no label overlaps another one or a point.
_LABEL_FORCES: dict[str, tuple[float, float]] = {
    "expand": (1.3, 1.8),
    "force_text": (0.3, 0.5),
    "force_static": (0.5, 1.0),
    "force_explode": (0.3, 1.0),
    "max_move": (20, 20),
}

_PALETTE = "tab20"
_DASHES = ("-", "--", ":", "-.")
_WARMUP = 0.1
"""The fraction of a run's updates during which its loss may leave the axes at the top."""
_ROWS_OF_LEGEND = 24
_MAX_MARKED = 20
"""The most validations that are marked with a point each."""


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


def bleu_over_gmacs(rows: Sequence[Row], length: int) -> Figure:
    """Return BLEU over multiply-adds with the upper envelope, as Figure 3 (c) and (d) of the paper.

    Every row that has a score is a labelled point with its deviation over the seeds.

    Args:
        rows: of one grid; at least one has a score.
        length: tokens of each side for the multiply-adds.
    """
    scored = [row for row in rows if row["bleu"] is not None]
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(f"10^9 multiply-adds of a sentence pair, {length} tokens per side")
    axes.set_ylabel("BLEU")
    axes.margins(0.1)
    _draw_envelope(axes, [row for row in scored if row["on_envelope"]])
    for row in scored:
        axes.errorbar(
            row["gmacs"],
            row["bleu"],
            yerr=row["bleu_deviation"],
            fmt="o",
            markersize=5,
            capsize=3,
            elinewidth=1,
            color=_colour(row),
            ecolor=(_colour(row), 0.4),
        )
    figure.draw_without_rendering()  # labels can be placed only once all sizes are known
    _label_points(axes, scored)
    return figure


def _draw_envelope(axes: Axes, rows: Sequence[Row]) -> None:
    points = sorted((row["gmacs"], row["bleu"]) for row in rows)
    axes.plot(
        *zip(*points, strict=True),
        drawstyle="steps-post",
        color=_ON_ENVELOPE,
        linewidth=1,
        label="upper envelope",
    )
    axes.legend(loc="lower right")


def _label_points(axes: Axes, rows: Sequence[Row]) -> None:
    """Put the names beside their points, away from each other."""
    halo = withStroke(linewidth=2.5, foreground="white")
    texts = [
        axes.text(
            row["gmacs"],
            row["bleu"],
            row["cell"],
            fontsize=8,
            color=_colour(row),
            path_effects=[halo],
        )
        for row in rows
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


def _colour(row: Row) -> str:
    return _ON_ENVELOPE if row["on_envelope"] else _BELOW


def learning_curves(cells: Sequence[tuple[str, Sequence[Curves]]]) -> Figure:
    """Return validation and training losses side by side, one line per run, one colour per cell.

    Args:
        cells: the name of each, and the curves of its seeds; at least one.
    """
    columns = -(-len(cells) // _ROWS_OF_LEGEND)
    figure = Figure(figsize=(10 + 1.5 * columns, 5), layout="constrained")
    validation, training = figure.subplots(1, 2, sharey=True)
    for number, (name, seeds) in enumerate(cells):
        for curves in seeds:
            is_short = len(curves.validation) <= _MAX_MARKED
            _line(validation, curves.validation, number, name, marker="o" if is_short else "")
            _line(training, curves.training, number, name)
    validation.set_ylabel("loss, bits per token")
    _cut_off_warmup(validation, [curves for _, seeds in cells for curves in seeds])
    for axes, title in ((validation, "validation"), (training, "training")):
        axes.set_title(title)
        axes.set_xlabel("updates")
    by_name = dict(zip(*reversed(training.get_legend_handles_labels()), strict=True))
    figure.legend(by_name.values(), by_name, loc="outside right upper", ncols=columns, fontsize=8)
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


def _line(axes: Axes, curve: dict[int, float], number: int, name: str, marker: str = "") -> None:
    colours = matplotlib.colormaps[_PALETTE].colors  # type: ignore[attr-defined]
    axes.plot(
        list(curve),
        list(curve.values()),
        color=colours[number % len(colours)],
        label=name,
        linestyle=_DASHES[number // len(colours) % len(_DASHES)],
        linewidth=1,
        marker=marker,
        markersize=3,
    )
