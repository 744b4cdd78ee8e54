"""Learning curves: the losses of a grid's runs over their updates."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attn_nmt.study.running.training_log import Curves

_PALETTE = "tab20"
_DASHES = ("-", "--", ":", "-.")
_START = 0.1
"""The part of its updates for which a loss may run off the top."""
_ROWS_OF_LEGEND = 24
_MARKED = 20
"""How many validations are marked with a point each."""


def learning_curves(cells: Sequence[tuple[str, Sequence[Curves]]]) -> Figure:
    """Return validation and training losses side by side, a line a run, a colour a cell.

    Args:
        cells: the name of each, and the curves of its seeds; at least one.
    """
    columns = -(-len(cells) // _ROWS_OF_LEGEND)
    figure = Figure(figsize=(10 + 1.5 * columns, 5), layout="constrained")
    validation, training = figure.subplots(1, 2, sharey=True)
    for number, (name, seeds) in enumerate(cells):
        for curves in seeds:
            few = len(curves.validation) <= _MARKED
            _line(validation, curves.validation, number, name, marker="o" if few else "")
            _line(training, curves.training, number, name)
    validation.set_ylabel("loss, bits a token")
    _leave_out_the_start(validation, [curves for _, seeds in cells for curves in seeds])
    for axes, title in ((validation, "validation"), (training, "training")):
        axes.set_title(title)
        axes.set_xlabel("updates")
    by_name = dict(zip(*reversed(training.get_legend_handles_labels()), strict=True))
    figure.legend(by_name.values(), by_name, loc="outside right upper", ncols=columns, fontsize=8)
    return figure


def _leave_out_the_start(axes: Axes, runs: Sequence[Curves]) -> None:
    """Let the losses of the first updates run off the top, beside which the rest is one line."""
    later = [
        loss
        for run in runs
        for curve in (run.validation, run.training)
        for update, loss in curve.items()
        if update >= _START * max(curve) and isfinite(loss)
    ]
    if later and min(later) < max(later):
        room = 0.05 * (max(later) - min(later))
        axes.set_ylim(min(later) - room, max(later) + room)


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
