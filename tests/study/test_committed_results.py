"""The page of our results is what the command makes from the committed ones, without a corpus."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path

import pytest
from support.commandline import ROOT

from attn_nmt.study.__main__ import main
from attn_nmt.study.grids.grid_files import read_grid
from attn_nmt.study.reporting.results import find_grids

RESULTS = ROOT / "results" / "multi30k"
PAGE = ROOT / "docs" / "results.md"


def test_the_page_is_made_from_the_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    about = (RESULTS / "README.md").read_text(encoding="utf-8")
    (line,) = (line for line in about.splitlines() if line.startswith("attn-nmt study report"))
    words = line.split()[1:]
    assert words[words.index("--findings") + 1] == "docs/results.md"
    words[words.index("--findings") + 1] = str(tmp_path / "results.md")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", words)
    main()
    made = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert made == PAGE.read_text(encoding="utf-8")
    # Labels are placed by iteration, which another processor may round differently.
    for figure in tmp_path.glob("*.svg"):
        assert (PAGE.parent / figure.name).is_file()


def test_the_table_of_the_readme_is_that_of_the_page() -> None:
    page = [
        [entry.strip() for entry in line.strip("|").split("|")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    ]
    (heading,) = (row for row in page if row[0] == "cell")
    rows = {
        row[0]: dict(zip(heading, row, strict=True)) for row in page if len(row) == len(heading)
    }
    _, _, table = (ROOT / "README.md").read_text(encoding="utf-8").partition("| self-attention has")
    lines = table.split("\n\n")[0].splitlines()[2:]
    assert len(lines) >= 8
    for line in lines:
        name, bleu, difference, in_paper = (entry.strip() for entry in line.strip("|").split("|"))
        row = rows[name.split("`")[1]]
        assert bleu == f"{row['BLEU']} ± {row['±']}"
        assert difference == row["Δ BLEU"] and in_paper == row["Δ BLEU, paper"]


@pytest.mark.parametrize("name", ["mechanisms", "longer"])
def test_the_results_are_those_of_the_grid_file(name: str) -> None:
    cells = {cell.name: cell for cell in read_grid(str(RESULTS / f"{name}.yaml"))}
    (grid,) = find_grids(RESULTS / name)
    assert [cell.name for cell in grid.cells] == list(cells)
    assert grid.finished
    for run in grid.finished:
        result = run.result
        assert result is not None
        own = {name: result["flags"][name] for name in cells[run.cell].flags}
        assert own == cells[run.cell].flags
        assert result["train_flags"] == cells[run.cell].train_flags


def test_they_name_no_machine_and_hold_no_large_file() -> None:
    assert all(path.stat().st_size < 200_000 for path in RESULTS.rglob("*"))
    for run in chain.from_iterable(grid.finished for grid in find_grids(RESULTS)):
        assert not {"node", "platform"} & set(run.environment)
        result = run.result
        assert result is not None
        words = [result["data_bin"], *result["train"], *result["evaluate"]]
        assert not [word for word in words if Path(str(word)).is_absolute()]
        assert "Namespace" not in (run.directory / "train.log").read_text(encoding="utf-8")
