"""``study speed``: every cell beside the baseline, and the file that a report reads."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support.result_folders import SPEED, finished

from attn_nmt.benchmarking.measures import Step
from attn_nmt.benchmarking.models import Model
from attn_nmt.command_line import UsageError
from attn_nmt.study.__main__ import main
from attn_nmt.study.commands import speed
from attn_nmt.study.reporting.findings_page import findings_files
from attn_nmt.study.reporting.results import find_grids

GRID = """\
models:
  "1111": {}
  "0010": {self_attn_terms: "0010"}
  stock: {arch: transformer}
"""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(GRID)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["study", "speed", *map(str, words)])
    main()


def test_real_models_take_turns(
    grid: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--size", "tiny", "--baseline", "1111", "--vocabulary", "50", "--rounds", 1)
    run(monkeypatch, grid, *words)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["cell", "training", "decoding"]
    rows = {line.split()[0]: [float(number) for number in line.split()[1:]] for line in lines}
    assert list(rows) == ["1111", "0010", "stock"] and rows["1111"] == [1.0, 1.0]
    assert all(number > 0 for numbers in rows.values() for number in numbers)


def test_the_numbers_are_medians_of_ratios_and_reach_the_report(
    grid: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built: list[Model] = []

    def work(model: Model, sizes: Any) -> Step:
        built.append(model)
        return lambda: None

    def interleaved(steps: dict[str, Step], rounds: int, work: str) -> dict[str, list[float]]:
        factor = {"training": 2.0, "decoding": 3.0}[work]
        return {"own": [factor, factor * 2, 99.0], "baseline": [1.0, 2.0, 1.0]}

    monkeypatch.setattr(speed, "WORK", dict.fromkeys(speed.MEASURED, work))
    monkeypatch.setattr(speed, "interleaved", interleaved)
    monkeypatch.setattr(speed, "processor", lambda: "a_processor")
    target = tmp_path / "runs" / "own" / "speed.json"
    finished(tmp_path / "runs" / "own", "0010")
    words = ("--size", "tiny", "--baseline", "1111", "--vocabulary", 50, "--json", target)
    run(monkeypatch, grid, *words)
    assert json.loads(target.read_text()) == {
        "processor": "a_processor",
        "threads": torch.get_num_threads(),
        "rounds": 7,
        "size": "tiny",
        "vocabulary": 50,
        "tokens": 2000,
        "sentences": 64,
        "beam": 5,
        "baseline": "1111",
        "times": {
            "1111": {"training": 1.0, "decoding": 1.0},
            "0010": {"training": 2.0, "decoding": 3.0},
            "stock": {"training": 2.0, "decoding": 3.0},
        },
    }
    assert built[0] == Model("attn_transformer_tiny", {"self_attn_terms": "0010"})
    assert Model("transformer", {}, like="attn_transformer_tiny") in built
    (results,) = find_grids(tmp_path / "runs")
    page = findings_files(results, 10, "page", "")["page.md"].decode()
    (sentence,) = (line for line in page.splitlines() if line.startswith("Times are relative"))
    assert "relative to 1111: a training step of 2,000 target tokens and " in sentence
    assert " of the size tiny with a vocabulary of 50, on a\\_processor, " in sentence
    (line,) = (line for line in page.splitlines() if line.startswith("| 0010 |"))
    assert "| 2.00 | 3.00 |" in line


def test_an_interrupt_leaves_what_was_measured(
    grid: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = iter([2.0, 3.0])

    def measure(*_: object) -> float:
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(speed, "_relative_time", measure)
    target = tmp_path / "speed.json"
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, grid, "--size", "tiny", "--baseline", "1111", "--json", target)
    assert list(json.loads(target.read_text())["times"]) == ["1111", "0010"]
    missing = tmp_path / "missing" / "speed.json"
    with pytest.raises(UsageError, match="^--json must be in a directory, but .*/missing is not"):
        run(monkeypatch, grid, "--size", "tiny", "--baseline", "1111", "--json", missing)


@pytest.mark.parametrize(
    "content",
    [
        *("[]", "{}", '{"times": 3}', "{"),
        *(json.dumps({**SPEED, name: [1]}) for name in SPEED),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    finished(tmp_path / "own", "0010")
    (tmp_path / "own" / "speed.json").write_text(content)
    with pytest.raises(UsageError, match=r"speed\.json must be "):
        find_grids(tmp_path)


def test_an_unknown_baseline_is_refused(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="^--baseline must be one of 1111, 0010, stock, but is"):
        run(monkeypatch, grid, "--size", "tiny", "--baseline", "0011")
