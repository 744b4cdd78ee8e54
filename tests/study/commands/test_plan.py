"""``plan``: prints a script with costs, runs nothing, refuses flags that no training accepts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.study.commands import plan
from attn_nmt.study.training_time import Corpus


def test_the_command_prints_a_script_with_costs_and_runs_nothing(
    study: Any, data_bin: Path, tmp_path: Path
) -> None:
    grid = tmp_path / "own.yaml"
    grid.write_text('vary: {self_attn_terms: ["0010", "1111"]}')
    line = f"plan {grid} --size wmt_en_de --seeds 3 4 --data-bin {data_bin} --out {tmp_path}/runs"
    lines = study(f"{line} --lr 0.1 --adam-betas '(0.9, 0.98)'").splitlines()
    assert lines[0].startswith("# 4 trainings;")
    assert lines[1] == f"# time: not estimated, since {data_bin} holds no training data"
    comments = [line for line in lines[2:] if line.startswith("#")]
    assert comments[1] == ("# self_attn_terms=1111: 2.738 G multiply-adds, 48,857,088 parameters")
    commands = [shlex.split(line, comments=True) for line in lines]
    commands = [words for words in commands if words]
    assert [words[0] for words in commands] == ["python"] * 8
    assert [words[2] for words in commands] == ["attn_nmt.training", "attn_nmt.evaluation"] * 4
    directory = f"{tmp_path}/runs/own/self_attn_terms=0010/seed4"
    assert commands[2][3:6] == ["attn_transformer_wmt_en_de", str(data_bin), directory]
    assert commands[2][-6:] == ["--lr", "0.1", "--adam-betas", "(0.9, 0.98)", "--seed", "4"]
    assert commands[3][3:] == [directory, str(data_bin), "--average", "5", "--or-best"]
    assert sorted(tmp_path.iterdir()) == [data_bin, grid]


@pytest.fixture
def data_bin(tmp_path: Path) -> Path:
    """A directory with the dictionaries of both languages."""
    directory = tmp_path / "data-bin"
    directory.mkdir()
    for lang in ("de", "en"):
        (directory / f"dict.{lang}.txt").write_text("word 1\n")
    return directory


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("vary: {lrr: [1]}", "must be a known name, but is 'lrr'; the nearest is 'lr'.$"),
        (
            "vary: {lr: [0.1, high]}",
            "^Flags that are passed on must be .*: invalid list value: 'high'.$",
        ),
        ("vary: {max_tokens: [9, 0]}", "^--max-tokens must be a whole number of at least 1, but"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_bad_flags_of_a_grid_are_refused_before_anything_runs(
    study: Any, data_bin: Path, tmp_path: Path, command: str, content: str, sentence: str
) -> None:
    grid = tmp_path / "own.yaml"
    grid.write_text(content)
    with pytest.raises(UsageError, match=sentence):
        study(f"{command} {grid} --size tiny --data-bin {data_bin} --out {tmp_path}/runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["plan", "run"])
def test_missing_data_are_refused(study: Any, tmp_path: Path, command: str) -> None:
    with pytest.raises(UsageError, match="^--data-bin must be a directory, but bin is not one.$"):
        study(f"{command} table2 --size tiny --data-bin bin --out {tmp_path}/runs")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_misspelt_flag_is_refused(
    study: Any, data_bin: Path, command: str, tmp_path: Path
) -> None:
    line = f"{command} table2 --size tiny --data-bin {data_bin} --out {tmp_path}/runs --avrage 3"
    with pytest.raises(UsageError, match="the nearest is '--average'.$"):
        study(line)
    assert not (tmp_path / "runs").exists()


def test_time_is_estimated_for_each_cell_and_in_all(
    study: Any, data_bin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "read_corpus", lambda _: Corpus(1000, 20.0, 500))
    grid = tmp_path / "own.yaml"
    grid.write_text("vary: {max_update: [10000, 20000, 0]}")
    line = f"plan {grid} --size wmt_en_de --seeds 1 2 --data-bin {data_bin}"
    lines = study(f"{line} --rate 2e14").splitlines()
    assert lines[2] == "# from 2e+05 G multiply-adds per second, as given by --rate"
    assert lines[3] == "# without the start, validation, checkpoints and scoring of each training"
    assert lines[4] == "# without max_update=0: no limit of updates or epochs"
    times = [re.search(r"about ([\d.]+) minutes", line) for line in lines if line[:1] == "#"]
    total, first, second = (float(match[1]) for match in times if match)
    assert second == pytest.approx(2 * first, abs=0.1)
    assert total == pytest.approx(2 * (first + second), abs=0.3)
    assert "time: not estimated" in study(f"{line} --rate none").splitlines()[1]
    assert "minutes" not in study(f"{line} --rate none")
