"""Which grids, cells and seeds are found, and what each cell is compared with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.result_folders import finished, started

from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.reporting.results import find_grids


def test_a_baseline_applies_to_every_cell_of_each_grid_that_has_it(tmp_path: Path) -> None:
    for grid in ("table2", "own"):
        finished(tmp_path / grid, "1111", bleu=20)
        finished(tmp_path / grid, "0110", bleu=21)
    finished(tmp_path / "other", "x")
    table2, other, own = find_grids(tmp_path, "0110")
    assert {cell.baseline for cell in table2.cells} == {"0110", None}
    assert [(cell.name, cell.baseline) for cell in own.cells] == [("0110", None), ("1111", "0110")]
    assert [cell.baseline for cell in other.cells] == [None]


def test_planned_cells_come_first_and_other_directories_are_ignored(tmp_path: Path) -> None:
    started(tmp_path / "own", "a", 2)
    finished(tmp_path / "table3", "extra", 10)
    finished(tmp_path / "table3", "0100", 3)
    for name in ("seed0", "seed", "notes"):
        (tmp_path / "table3" / "0100" / name).mkdir()
    (tmp_path / ".hidden" / "a" / "seed1").mkdir(parents=True)
    (tmp_path / "report").mkdir()
    table3, own = find_grids(tmp_path)
    assert [cell.name for cell in table3.cells] == [*(c.name for c in GRIDS["table3"]), "extra"]
    assert [(run.cell, run.seed) for run in table3.finished] == [("0100", 3), ("extra", 10)]
    assert table3.seeds == [3, 10] and own.finished == []
    assert find_grids(tmp_path / "own") == [own]


def write_plan(grid: Path, cells: object, seeds: object) -> None:
    grid.mkdir(parents=True, exist_ok=True)
    (grid / "grid.json").write_text(json.dumps({"cells": cells, "seeds": seeds}))


def test_what_is_planned_is_there_before_it_is_started(tmp_path: Path) -> None:
    finished(tmp_path / "own", "b", 1)
    write_plan(tmp_path / "own", ["c", "b", "a"], [1, 2])
    write_plan(tmp_path / "queued", ["a"], [1])
    (grid, queued) = find_grids(tmp_path)
    assert [(cell.name, len(cell.runs)) for cell in grid.cells] == [("c", 0), ("b", 1), ("a", 0)]
    assert grid.seeds == [1, 2] and len(grid.finished) == 1
    assert [cell.name for cell in queued.cells] == ["a"] and queued.runs == []
    # Cells and seeds of an earlier start remain.
    finished(tmp_path / "own", "an earlier one", 3)
    (grid,) = find_grids(tmp_path / "own")
    assert [cell.name for cell in grid.cells] == ["c", "b", "a", "an earlier one"]
    assert grid.seeds == [1, 2, 3]


@pytest.mark.parametrize(
    ("cells", "seeds", "message"),
    [
        (["../a"], [1], "must be of `study run`, but its cells are \\['../a'\\].$"),
        (None, [1], "must be of `study run`, but its cells are None.$"),
        (["a"], [True], "must be of `study run`, but its seeds are \\[True\\].$"),
    ],
)
def test_another_plan_is_refused(
    tmp_path: Path, cells: object, seeds: object, message: str
) -> None:
    write_plan(tmp_path / "own", cells, seeds)
    with pytest.raises(UsageError, match=f"grid.json {message}"):
        find_grids(tmp_path)
