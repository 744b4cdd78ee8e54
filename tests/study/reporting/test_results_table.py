"""The rows of a report against numbers worked out by hand or by ``statistics``."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from support.result_folders import LOG, finished, started

from attn_nmt.study import paper
from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.reporting.comparability import read_settings
from attn_nmt.study.reporting.results import GridResults, find_grids
from attn_nmt.study.reporting.results_table import (
    Point,
    cell_rows,
    grid_findings,
    upper_envelope,
)
from attn_nmt.study.reporting.seed_tests import seed_tests


def rows_of(grid: GridResults) -> dict[str, dict[str, Any]]:
    tests = {
        cell.name: seed_tests(baseline, cell, 1)
        for cell in grid.cells
        if (baseline := grid.cell(cell.baseline))
    }
    return {row["cell"]: row for row in cell_rows(grid, read_settings(grid), tests)}


def rows_in(runs: Path) -> dict[str, dict[str, Any]]:
    (grid,) = find_grids(runs)
    return rows_of(grid)


def test_means_and_deviations_are_those_of_the_seeds(tmp_path: Path) -> None:
    grid = tmp_path / "own"
    scores, speeds = {3: 20.25, 7: 21.5, 11: 19.75}, [400.0, 900.0, 500.0]
    for (seed, bleu), speed in zip(scores.items(), speeds, strict=True):
        finished(grid, "a", seed, bleu, tokens_per_second=speed)
    finished(grid, "b", 3, 30.0, tokens_per_second=None)
    rows = rows_in(tmp_path)
    assert list(rows) == ["a", "b"]
    assert rows["a"]["bleu"] == approx(statistics.mean(scores.values()))
    assert rows["a"]["bleu_deviation"] == approx(statistics.stdev(scores.values()))
    assert rows["a"]["bleu_compound_split"] == approx(statistics.mean(scores.values()) + 1)
    assert rows["a"]["tokens_per_second"] == 500
    assert (rows["a"]["state"], rows["a"]["seeds"]) == ("finished", "3 of 3")
    assert (rows["b"]["state"], rows["b"]["seeds"]) == ("in part", "1 of 3")
    assert rows["b"]["bleu_deviation"] is rows["b"]["tokens_per_second"] is None
    assert rows["b"]["notes"] == "seed 7: missing; seed 11: missing"


def test_the_validation_loss_is_the_last_one(tmp_path: Path) -> None:
    for seed, extra in ((1, LOG), (2, LOG + LOG.replace("8.25", "8.5").replace("40", "80"))):
        (finished(tmp_path / "own", "a", seed) / "train.log").write_text(extra)
    (finished(tmp_path / "own", "a", 3) / "train.log").unlink()
    assert rows_in(tmp_path)["a"]["validation_loss"] == statistics.mean((8.25, 8.5))


def test_the_baseline_of_a_cell_is_the_one_of_the_paper(tmp_path: Path) -> None:
    grid = tmp_path / "table2"
    finished(grid, "1110", 1, 20.0, gmacs=2.0)
    finished(grid, "1110", 2, 22.0, gmacs=2.0)
    finished(grid, "1110", 3, 90.0, gmacs=2.0)
    finished(grid, "1010-deformable", 1, 23.0, gmacs=2.5)
    finished(grid, "1010-deformable", 2, 24.5, gmacs=2.5)
    rows = rows_in(tmp_path)
    row = rows["1010-deformable"]
    assert row["before"] == "1110"
    # Seed 3 has no partner, but counts.
    assert row["bleu_difference"] == approx((23 + 24.5) / 2 - (20 + 22 + 90) / 3)
    assert row["gmacs_percent"] == approx(25)
    assert row["bleu_deviation"] == approx(statistics.stdev((23, 24.5)))
    line = next(line for line in paper.TABLE2 if line.candidate == "1010-deformable")
    assert row["paper_bleu"] == line.bleu[1]
    assert row["paper_bleu_difference"] == approx(line.bleu[1] - line.bleu[0])
    assert row["paper_gmacs"] is row["paper_percent"] is None, "printed of another size"
    assert rows["1110"]["bleu_difference"] is None


def test_printed_costs_are_shown_for_models_of_the_papers_size(tmp_path: Path) -> None:
    for cell in GRIDS["table2"]:
        finished(
            tmp_path / "table2", cell.name, arch="attn_transformer_wmt_en_de", flags=cell.flags
        )
    rows = rows_in(tmp_path)
    for line in paper.TABLE2:
        after = rows[line.candidate]
        assert (rows[line.baseline]["paper_gmacs"], after["paper_gmacs"]) == line.gflops
        assert after["paper_percent"] == line.flops_percent
        assert after["gmacs_percent"] == 0


def test_unfinished_runs_are_named_with_the_reason(tmp_path: Path) -> None:
    grid = tmp_path / "table3"
    finished(grid, "0100", 1)
    started(grid, "0100", 2, failure="It broke.\nThe end of the log.\n")
    started(grid, "0100-span31", 1, failure="Traceback (most recent call last):\n  x\nKeyError: 1")
    started(grid, "dynamic-kernel31", 2)
    rows = rows_in(tmp_path / "table3")
    assert list(rows) == [cell.name for cell in GRIDS["table3"]]
    states = {name: row["state"] for name, row in rows.items()}
    assert states.pop("0100") == "in part" and states.pop("0100-span31") == "failed"
    assert states.pop("dynamic-kernel31") == "unfinished" and set(states.values()) == {"missing"}
    assert rows["0100"]["notes"] == "seed 2: failed: It broke."
    assert rows["0100-span31"]["notes"] == "seed 1: failed: KeyError: 1; seed 2: missing"
    assert rows["dynamic-kernel31"]["notes"] == "seed 1: missing; seed 2: unfinished, update 40"
    assert rows["dynamic-kernel31"]["seeds"] == "0 of 2"
    assert rows["dynamic-kernel31"]["bleu"] is rows["dynamic-kernel31"]["bleu_difference"] is None
    assert rows["dynamic-kernel13"]["paper_bleu"] == 27.4


def test_the_printed_score_of_self_attention_is_not_that_of_encoder_decoder_attention(
    tmp_path: Path,
) -> None:
    for name in ("figure3-self", "figure3-cross"):
        finished(tmp_path / name, "1110")
    own, cross = (rows_of(grid) for grid in find_grids(tmp_path))
    assert own["1110"]["paper_bleu"] == 27.7
    assert all(row["paper_bleu"] is None for row in cross.values())


def test_differences_are_to_the_chosen_baseline(tmp_path: Path) -> None:
    finished(tmp_path / "table2", "1111", bleu=20)
    finished(tmp_path / "table2", "0110", bleu=21)
    (grid,) = find_grids(tmp_path, "0110")
    rows = rows_of(grid)
    assert rows["1111"]["bleu_difference"] == -1
    assert rows["0110"]["bleu_difference"] is None


# Few values, so that many are equal.
POINTS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2),
    st.tuples(st.integers(0, 4).map(float), st.integers(0, 4).map(float)),
    min_size=1,
)


def is_better(one: Point, other: Point) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other


@given(POINTS)
def test_the_upper_envelope_is_what_no_other_point_beats(points: dict[str, Point]) -> None:
    expected = {
        name
        for name, point in points.items()
        if not any(is_better(other, point) for other in points.values())
    }
    names = upper_envelope(points)
    assert set(names) == expected and len(names) == len(expected)
    assert [points[name] for name in names] == sorted(points[name] for name in names)


def test_the_findings_name_the_best_cell_the_envelope_and_what_the_seeds_allow_to_say() -> None:
    def row(cell: str, gmacs: float, bleu: float | None, **more: object) -> dict[str, object]:
        empty = {"on_envelope": False, "significant": None, "bleu_difference": None, "before": None}
        return {"cell": cell, "gmacs": gmacs, "bleu": bleu, **empty, **more}

    rows = [
        row("missing", 1.0, None),
        row(
            "dear", 3.0, 22.0, on_envelope=True, significant="yes", bleu_difference=1.0, before="x"
        ),
        row("cheap", 2.0, 21.0, on_envelope=True, significant="no"),
        row("new", 4.0, 20.0, significant="too few seeds"),
    ]
    assert grid_findings(rows) == [
        "The highest BLEU is 22.00, of dear.",
        "On the upper envelope, from the fewest multiply-adds on: cheap, dear.",
        "Differences to a baseline that are significant, of 2 tested: dear (+1.00 to x).",
        "Fewer than 3 seeds are not enough to say whether these differ from their baseline: new. "
        "Run more seeds before you prefer one.",
    ]
    assert grid_findings(rows[2:3])[2].endswith("of 1 tested: none.")
    assert len(grid_findings(rows[3:])) == 3 and grid_findings(rows[:1]) == []
