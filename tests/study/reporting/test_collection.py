"""What a collection holds, and that a report of it is that of the runs, without the corpus."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.result_folders import ENVIRONMENT, LOG, SPEED, translated
from support.translations import damaged, make_corpus, sentences

from attn_nmt.command_line import UsageError
from attn_nmt.study.reporting import seed_tests as seed_tests_module
from attn_nmt.study.reporting.collection import collect
from attn_nmt.study.reporting.results import Speed, find_grids
from attn_nmt.study.reporting.seed_tests import SeedTest, seed_tests
from attn_nmt.study.running.training_log import curves, tokens_per_second

SAMPLES = 20


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """0100-span13 and dynamic-kernel13 of "table3", one seed of each, with checkpoints."""
    return make_runs(tmp_path, "runs", seed=1)


def make_runs(tmp_path: Path, name: str, seed: int) -> Path:
    references = sentences()
    corpus = tmp_path / "corpus"
    if not corpus.exists():
        make_corpus(corpus, references)
    for number, cell in enumerate(("0100-span13", "dynamic-kernel13")):
        lines = damaged(references, 10 * number + seed, 0.2 - number / 10)
        folder = translated(tmp_path / name / "table3", cell, seed, corpus, lines, references)
        (folder / "checkpoint_last.pt").write_bytes(b"weights")
        environment = {**ENVIRONMENT, "node": "our machine", "platform": "Linux of that machine"}
        (folder / "environment.json").write_text(json.dumps(environment))
        (folder / "train.log").write_text(f"Namespace(path='{folder}')\n{LOG}")
    return tmp_path / name


def recorded_tests_of(runs: Path) -> list[SeedTest]:
    (grid,) = find_grids(runs)
    baseline, cell = grid.cell("0100-span13"), grid.cell("dynamic-kernel13")
    assert baseline is not None and cell is not None
    return seed_tests(baseline, cell, SAMPLES)


def test_a_collection_is_tested_like_its_runs_but_without_the_corpus(
    runs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    expected = recorded_tests_of(runs)
    (runs / "table3" / "speed.json").write_text(json.dumps(SPEED))
    collect(find_grids(runs), out, SAMPLES)
    assert find_grids(out)[0].speed == Speed(**SPEED)
    shutil.rmtree(tmp_path / "corpus")
    assert recorded_tests_of(out) == expected and expected[0].p_value is not None
    # Those of another number of samples, or of other translations, are not used.
    (grid,) = find_grids(out)
    cell, baseline = grid.cell("dynamic-kernel13"), grid.cell("0100-span13")
    assert cell is not None and baseline is not None
    (other,) = seed_tests(baseline, cell, SAMPLES + 1)
    assert other.p_value is None and other.problem is not None
    path = out / "table3" / "dynamic-kernel13" / "seed1" / "result.json"
    result = json.loads(path.read_text())
    result["scores"]["bleu"] += 0.5
    path.write_text(json.dumps(result))
    assert recorded_tests_of(out)[0].p_value is None


def test_it_holds_no_checkpoints_and_no_names_of_machines(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    copied = collect(find_grids(runs), out, SAMPLES)
    directory = out / "table3" / "dynamic-kernel13" / "seed1"
    assert directory in copied and len(copied) == 2
    assert {path.relative_to(directory).as_posix() for path in directory.rglob("*")} == {
        "result.json",
        "environment.json",
        "train.log",
        "evaluation-test-average2",
        "evaluation-test-average2/hypotheses.de",
        "evaluation-test-average2/scores.json",
    }
    assert "machine" not in (directory / "environment.json").read_text()
    assert "Namespace" not in (directory / "train.log").read_text()
    original = runs / "table3" / "dynamic-kernel13" / "seed1" / "train.log"
    assert curves(directory / "train.log") == curves(original)
    assert tokens_per_second(directory / "train.log") == tokens_per_second(original)
    # The data are where the user said, not where that was on the machine.
    result = json.loads((directory / "result.json").read_text())
    assert result["data_bin"] == result["train"][4]


def test_runs_of_several_machines_come_together(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    collect(find_grids(runs), out, SAMPLES)
    collect(find_grids(make_runs(tmp_path, "other", seed=2)), out, SAMPLES)
    (grid,) = find_grids(out)
    assert [(run.cell, run.seed) for run in grid.finished] == [
        ("0100-span13", 1),
        ("0100-span13", 2),
        ("dynamic-kernel13", 1),
        ("dynamic-kernel13", 2),
    ]
    plan = json.loads((out / "table3" / "grid.json").read_text())
    assert grid.seeds == plan["seeds"] == [1, 2]
    shutil.rmtree(tmp_path / "corpus")
    assert [test.p_value is None for test in recorded_tests_of(out)] == [False, False]


def test_cells_with_fewer_seeds_keep_them(runs: Path, tmp_path: Path) -> None:
    """Also when an earlier call has collected more cells, and when a cell later has all seeds."""
    out, path = tmp_path / "out", runs / "table3" / "grid.json"
    cells = ["0100-span13", "dynamic-kernel13"]
    plan = {"cells": cells, "seeds": [1, 2], "seeds_of": {"0100-span13": [1]}}
    path.write_text(json.dumps(plan))
    collect(find_grids(runs), out, SAMPLES)
    collected = out / "table3" / "grid.json"
    assert json.loads(collected.read_text()) == plan
    assert [len(cell.seeds) for cell in find_grids(out)[0].cells] == [1, 2]
    path.write_text(json.dumps({**plan, "seeds_of": {"dynamic-kernel13": [1]}}))
    collect(find_grids(runs), out, SAMPLES)
    assert json.loads(collected.read_text())["seeds_of"] == {"dynamic-kernel13": [1]}


def test_another_result_of_a_run_is_refused(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    collect(find_grids(runs), out, SAMPLES)
    collect(find_grids(runs), out, SAMPLES)  # the same ones are written again
    path = runs / "table3" / "0100-span13" / "seed1" / "result.json"
    result: dict[str, Any] = json.loads(path.read_text())
    result["scores"]["bleu"] = 1.25
    path.write_text(json.dumps(result))
    with pytest.raises(UsageError, match=r"must be new or of the same training, .* has 1\.25\.$"):
        collect(find_grids(runs), out, SAMPLES)


def test_a_missing_file_is_named(runs: Path, tmp_path: Path) -> None:
    log = runs / "table3" / "0100-span13" / "seed1" / "train.log"
    log.unlink()
    with pytest.raises(UsageError, match=f"^{re.escape(str(log))} must exist, since its run"):
        collect(find_grids(runs), tmp_path / "out", SAMPLES)


@pytest.mark.parametrize(
    "content",
    ["[]", '{"a": 3}', '{"a": {"b": {"x": {}}}}', '{"a": {"b": {"1": {"p_value": 0.1}}}}', "{"],
)
def test_recorded_tests_are_checked(runs: Path, content: str) -> None:
    path = runs / "table3" / "p_values.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=f"^{re.escape(str(path))} must be "):
        find_grids(runs)


def test_nothing_is_tested_twice(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(find_grids(runs), tmp_path / "out", SAMPLES)
    monkeypatch.setattr(seed_tests_module, "_p_value", None)
    assert recorded_tests_of(tmp_path / "out")[0].p_value is not None
