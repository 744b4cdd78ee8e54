"""What is drawn where in the figures, and whether it can be read."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from matplotlib import style
from matplotlib.figure import Figure

from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.reporting.cell_styles import cell_styles
from attn_nmt.study.reporting.figures import STYLE, bleu_over_gmacs, learning_curves
from attn_nmt.study.running.training_log import Curves

# Costs that many cells of the paper's tables share.
COSTS = (1.75, 2.22, 2.57, 2.71, 2.74, 2.74, 2.88, 3.21)


def table_rows() -> list[dict[str, Any]]:
    rng = random.Random(3)
    return [
        {
            "cell": cell.name,
            "gmacs": rng.choice(COSTS),
            "bleu": rng.gauss(27.5, 0.2),
            "bleu_deviation": rng.choice([None, 0.1]),
            "on_envelope": number < 3,
        }
        for number, cell in enumerate(GRIDS["table2"])
    ]


NAMES = [cell.name for cell in GRIDS["table2"]]


@pytest.fixture(scope="module")
def scatter() -> tuple[list[dict[str, Any]], Figure]:
    rows = table_rows()
    with style.context(["default", STYLE]):
        figure = bleu_over_gmacs(
            [*rows, {**rows[0], "cell": "no result", "bleu": None}], 50, cell_styles(NAMES)
        )
        figure.draw_without_rendering()
    return rows, figure


def test_every_cell_has_a_point_and_a_label(scatter: Any) -> None:
    rows, figure = scatter
    (axes,) = figure.axes
    names = [text.get_text() for text in axes.texts if text.get_text()]
    assert sorted(names) == sorted(row["cell"] for row in rows)
    points = {
        (float(x), float(y))
        for line in axes.lines
        if line.get_linestyle() == "None" and line.get_marker() not in ("|", "_")
        for x, y in zip(*line.get_data(), strict=True)
    }
    assert points == {(row["gmacs"], row["bleu"]) for row in rows}
    bars = sum(len(segments.get_segments()) for segments in axes.collections)
    assert bars == sum(row["bleu_deviation"] is not None for row in rows)


def test_labels_do_not_overlap(scatter: Any) -> None:
    _, figure = scatter
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    assert len(boxes) == 18
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    inside = figure.axes[0].get_window_extent().padded(2)
    assert all(inside.contains(*box.p0) and inside.contains(*box.p1) for box in boxes)


def test_labels_of_equal_scores_do_not_overlap() -> None:
    rows = [
        {
            "cell": f"context_broadcast={name}",
            "gmacs": 0.5 + number * 1e-3,
            "bleu": 25.1,
            "bleu_deviation": None,
            "on_envelope": number == 0,
        }
        for number, name in enumerate(("none", "plain", "scaled"))
    ]
    with style.context(["default", STYLE]):
        figure = bleu_over_gmacs(rows, 50, cell_styles([str(row["cell"]) for row in rows]))
        figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
    assert len(boxes) == 3
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    # One point has no envelope.
    assert not [line for line in axes.lines if line.get_label() == "upper envelope"]


def test_the_envelope_rises_in_steps(scatter: Any) -> None:
    rows, figure = scatter
    (envelope,) = [line for line in figure.axes[0].lines if line.get_label() == "upper envelope"]
    expected = sorted((row["gmacs"], row["bleu"]) for row in rows if row["on_envelope"])
    assert [tuple(point) for point in envelope.get_xydata()] == expected
    assert envelope.get_drawstyle() == "steps-post"


def test_each_run_has_its_curves_and_each_cell_its_colour() -> None:
    one = Curves({10: 9.0, 20: 8.0, 200: 3.0}, {100: 5.0, 200: 4.0})
    two = Curves({10: 9.5, 200: float("nan")}, {})
    figure = learning_curves([("a", [one, two]), ("b", [one])], cell_styles("ab"))
    validation, training = figure.axes
    drawn = [dict(zip(*line.get_data(), strict=True)) for line in training.lines]
    assert drawn[0] == drawn[2] == one.training and list(drawn[1]) == [10, 200]
    assert dict(zip(*validation.lines[0].get_data(), strict=True)) == one.validation
    colours = [line.get_color() for line in training.lines]
    assert colours[0] == colours[1] != colours[2]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    # From a tenth of the updates on nothing is cut off.
    low, high = validation.get_ylim()
    assert low < 3 and 8 < high < 9


def test_a_cell_has_the_same_colour_and_marker_in_every_figure(scatter: Any) -> None:
    rows, figure = scatter
    place = {(row["gmacs"], row["bleu"]): row["cell"] for row in rows}
    points = {
        place[x, y]: (line.get_color(), line.get_marker())
        for line in figure.axes[0].lines
        if line.get_linestyle() == "None" and line.get_marker() not in ("|", "_")
        for x, y in zip(*line.get_data(), strict=True)
    }
    # Cells without a curve are left out, and the others keep their colours.
    curve = Curves({10: 9.0}, {10: 5.0})
    curves = learning_curves([(name, [curve]) for name in NAMES[3:]], cell_styles(NAMES))
    for axes in curves.axes:
        drawn = [(line.get_color(), line.get_marker()) for line in axes.lines]
        assert drawn == [points[name] for name in NAMES[3:]]
    legend = curves.legends[0]
    handles: Any = legend.legend_handles
    shown = [(handle.get_color(), handle.get_marker()) for handle in handles]
    assert [text.get_text() for text in legend.get_texts()] == NAMES[3:]
    assert shown == [points[name] for name in NAMES[3:]]


def test_a_curve_of_one_point_is_seen() -> None:
    long = Curves(dict.fromkeys(range(50), 5.0), {})
    figure = learning_curves([("a", [Curves({20: 9.0}, {40: 8.0}), long])], cell_styles("a"))
    validation, training = figure.axes
    assert [line.get_marker() for line in validation.lines] == ["o"]
    assert [line.get_marker() for line in training.lines] == ["o", ""]


def test_axes_without_any_loss_say_so() -> None:
    figure = learning_curves([("a", [Curves({20: 9.0}, {})])], cell_styles("a"))
    validation, training = figure.axes
    assert [text.get_text() for text in validation.texts] == ["no loss was logged"]
    assert not training.texts
