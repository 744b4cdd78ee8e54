"""BLEU over multiply-adds with the upper envelope, as Figure 3 (c) and (d) of the paper."""

from __future__ import annotations

from collections.abc import Sequence

from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attn_nmt.study.tables import Row

_ENVELOPE, _REST = "tab:red", "tab:blue"
_ITERATIONS = 300


def bleu_over_gmacs(rows: Sequence[Row], length: int) -> Figure:
    """Return a labelled point a row that has a score, with its deviation over the seeds.

    Args:
        rows: of one grid; at least one has a score.
        length: tokens of each side for the multiply-adds.
    """
    scored = [row for row in rows if row["bleu"] is not None]
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(f"10^9 multiply-adds of a sentence pair, {length} tokens a side")
    axes.set_ylabel("BLEU")
    axes.margins(0.08)
    _draw_envelope(axes, [row for row in scored if row["on_envelope"]])
    for row in scored:
        axes.errorbar(
            row["gmacs"], row["bleu"], yerr=row["bleu_deviation"], fmt="o", markersize=5,
            capsize=3, elinewidth=1, color=_colour(row),
        )  # fmt: skip
    figure.draw_without_rendering()
    _label(axes, scored)
    return figure


def _draw_envelope(axes: Axes, rows: Sequence[Row]) -> None:
    points = sorted((row["gmacs"], row["bleu"]) for row in rows)
    axes.plot(*zip(*points, strict=True), drawstyle="steps-post", color=_ENVELOPE, linewidth=1,
              label="upper envelope")  # fmt: skip
    axes.legend(loc="lower right")


def _label(axes: Axes, rows: Sequence[Row]) -> None:
    """Put the names beside their points, away from each other."""
    x, y = [row["gmacs"] for row in rows], [row["bleu"] for row in rows]
    texts = [
        axes.text(row["gmacs"], row["bleu"], row["cell"], fontsize=8, color=_colour(row))
        for row in rows
    ]
    adjust_text(texts, x, y, ax=axes, iter_lim=_ITERATIONS, expand=(1.2, 1.5),
                arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.5})  # fmt: skip


def _colour(row: Row) -> str:
    return _ENVELOPE if row["on_envelope"] else _REST
