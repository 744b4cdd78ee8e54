"""BLEU over multiply-adds with the upper envelope, as Figure 3 (c) and (d) of the paper."""

from __future__ import annotations

from collections.abc import Sequence

from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from attn_nmt.study.tables import Row

_ENVELOPE, _REST = "tab:red", "tab:blue"
_ITERATIONS = 300
# By trial on the paper's grids: no name on another one, none on a point.
_FORCES: dict[str, tuple[float, float]] = {
    "expand": (1.3, 1.8),
    "force_text": (0.3, 0.5),
    "force_static": (0.5, 1.0),
    "force_explode": (0.3, 1.0),
    "max_move": (20, 20),
}


def bleu_over_gmacs(rows: Sequence[Row], length: int) -> Figure:
    """Return a labelled point a row that has a score, with its deviation over the seeds.

    Args:
        rows: of one grid; at least one has a score.
        length: tokens of each side for the multiply-adds.
    """
    scored = [row for row in rows if row["bleu"] is not None]
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(f"10^9 multiply-adds of a sentence pair, {length} tokens a side")
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
    figure.draw_without_rendering()  # the labels need to know how large everything is
    _label(axes, scored)
    return figure


def _draw_envelope(axes: Axes, rows: Sequence[Row]) -> None:
    points = sorted((row["gmacs"], row["bleu"]) for row in rows)
    axes.plot(
        *zip(*points, strict=True),
        drawstyle="steps-post",
        color=_ENVELOPE,
        linewidth=1,
        label="upper envelope",
    )
    axes.legend(loc="lower right")


def _label(axes: Axes, rows: Sequence[Row]) -> None:
    """Put the names beside their points, away from each other."""
    x, y = [row["gmacs"] for row in rows], [row["bleu"] for row in rows]
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
        x,
        y,
        ax=axes,
        iter_lim=_ITERATIONS,
        **_FORCES,
        arrowprops={"arrowstyle": "-", "color": "0.4", "linewidth": 0.6},
    )


def _colour(row: Row) -> str:
    return _ENVELOPE if row["on_envelope"] else _REST
