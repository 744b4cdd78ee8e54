"""Flags that every training of a grid would die of are refused before the first one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.study.__main__ import main
from attn_nmt.study.grids.plan import Run
from attn_nmt.study.grids.train_flags import require_train_flags


@pytest.fixture
def run(planned_run: Run) -> Run:
    """A run with dictionaries."""
    planned_run.data_bin.mkdir(parents=True)
    for lang in ("de", "en"):
        (planned_run.data_bin / f"dict.{lang}.txt").write_text("word 1\n")
    return planned_run


def with_flags(run: Run, line: str) -> Run:
    return replace(run, train=[*run.train[:-2], *line.split(), *run.train[-2:]])


@pytest.mark.parametrize(
    "line",
    [
        "--lr 0.1 --clip-norm=0.5",
        "--tokens-per-update 9 --precision fp32 --processes 2",
        "--optimizer nag --momentum 0.9",
        "--criterion cross_entropy",
        "--eval-bleu",
        "--cpu",
    ],
)
def test_what_the_training_takes_is_taken(run: Run, line: str) -> None:
    require_train_flags(with_flags(run, line))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "--max-updates 5",
            "a flag must be a known name, but is '--max-updates'; the nearest is '--max-update'.",
        ),
        (
            "--tokens-per-updat=5",
            "a flag must be a known name, but is '--tokens-per-updat'; the "
            "nearest is '--tokens-per-update'.",
        ),
        (
            "--avrage 3",
            "a flag must be a known name, but is '--avrage'; the nearest is '--average'.",
        ),
        ("table3", "GRID must be one name, but 'table3' is given beside it."),
        (
            "--max-epoch many",
            "Flags that are passed on must be as fairseq-train takes them, but "
            "argument --max-epoch: invalid int value: 'many'.",
        ),
        ("--precision fp8", "--precision must be one of bf16, fp16, fp32, but is 'fp8'."),
    ],
)
def test_what_it_would_die_of_is_refused(run: Run, line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        require_train_flags(with_flags(run, line), ["--average"])
    assert str(refused.value) == sentence


def test_runs_that_can_have_no_folder_are_one_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    DataCard("copy", "en", "de", "sentencepiece", {}, {}, {}, 1, {}, {}).write(run.data_bin.parent)
    (tmp_path / "file").touch()
    line = [
        "study",
        "run",
        "table2",
        "--size",
        "tiny",
        "--data-bin",
        str(run.data_bin),
        "--out",
        str(tmp_path / "file"),
    ]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(NotADirectoryError):
        main()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("command", ["plan", "run"])
def test_both_commands_look(
    run: Run, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    line = [
        "study",
        command,
        "table2",
        "--size",
        "tiny",
        "--data-bin",
        str(run.data_bin),
        "--out",
        str(tmp_path / "runs"),
        "--avrage",
        "3",
    ]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(UsageError, match="the nearest is '--average'.$"):
        main()
    assert not (tmp_path / "runs").exists()
