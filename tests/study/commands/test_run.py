"""``run``: the executor and what SLURM is asked for; what is refused before anything runs."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest
from support import fake_slurm

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.study.__main__ import main
from attn_nmt.study.commands import run as command
from attn_nmt.study.commands.run import add_executor_options, executor, slurm_options
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.submitit_jobs import SlurmOptions


def read(line: str) -> Any:
    parser = ArgumentParser(allow_abbrev=False)
    add_executor_options(parser)
    options, options.more = parser.parse_known_args(line.split())
    return options


@pytest.mark.parametrize(
    ("line", "requested"),
    [
        ("", SlurmOptions(minutes=60, requeues=10, gpus=1)),
        ("--cpu --lr 0.1", SlurmOptions(minutes=60, requeues=10, gpus=0)),
        ("--cpu --slurm-gpus-per-node 2", SlurmOptions(minutes=60, requeues=10, gpus=2)),
        (
            "--slurm-requeues 0 --slurm-partition long --slurm-array-parallelism 3 "
            "--slurm-cpus-per-task 8 --slurm-memory 500GB",
            SlurmOptions(60, 0, parallelism=3, gpus=1, cpus=8, memory="500GB", partition="long"),
        ),
        (
            "--slurm-additional account=me exclusive --slurm-additional constraint=a|b=c",
            SlurmOptions(
                60, 10, additional={"account": "me", "exclusive": True, "constraint": "a|b=c"}
            ),
        ),
    ],
)
def test_flags_become_a_request_to_slurm(line: str, requested: SlurmOptions) -> None:
    assert slurm_options(read(f"--executor slurm --slurm-time 60 {line}")) == requested


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "--executor slumr",
            "--executor must be one of local, slurm, submitit-local, but is "
            "'slumr'; the nearest is 'slurm'.",
        ),
        ("--slurm-time 60", "--slurm-time must be given with --executor slurm, but that is local."),
        (
            "--executor submitit-local --slurm-requeues 0",
            "--slurm-requeues must be given with --executor slurm, but that is submitit-local.",
        ),
        (
            "--executor slurm --slurm-time 9 --parallel 2",
            "--parallel must be left out with --executor slurm, which has "
            "--slurm-array-parallelism, but is 2.",
        ),
        ("--parallel 0", "--parallel must be a whole number of at least 1, but is '0'."),
        ("--executor slurm", "--slurm-time must be given with --executor slurm, but is not."),
        (
            "--executor slurm --slurm-time 1:00:00",
            "--slurm-time, in minutes, must be a whole number of at least 1, but is '1:00:00'.",
        ),
        (
            "--executor slurm --slurm-time 60 --slurm-partiton=long",
            "a flag of SLURM must be one of --slurm-time, --slurm-requeues, --slurm-partition, "
            "--slurm-array-parallelism, --slurm-gpus-per-node, --slurm-cpus-per-task, "
            "--slurm-memory, --slurm-additional, but is '--slurm-partiton'; the nearest is "
            "'--slurm-partition'.",
        ),
        (
            "--slurm-gpus-per-node -1",
            "--slurm-gpus-per-node must be a whole number of at least 0, but is '-1'.",
        ),
        (
            "--slurm-requeues x",
            "--slurm-requeues must be a whole number of at least 0, but is 'x'.",
        ),
        (
            "--slurm-memory 32",
            "--slurm-memory must be a number with a unit, K, M, G or T, but is '32'.",
        ),
        (
            "--slurm-additional time=5",
            "--slurm-additional must leave time to --slurm-time, but has 'time=5'.",
        ),
        (
            "--slurm-additional nodes=2",
            "--slurm-additional must not change nodes, but has 'nodes=2'.",
        ),
        ("--slurm-additional --account=me", "expected at least one argument"),
        (
            "--slurm-additional Account",
            "--slurm-additional must be options of sbatch as NAME or NAME=VALUE, "
            "but has 'Account'.",
        ),
    ],
)
def test_flags_that_break_a_rule_are_refused(
    line: str, sentence: str, capsys: pytest.CaptureFixture[str], slurm: Path
) -> None:
    try:
        executor(read(line))
    except UsageError as error:
        assert str(error) == sentence
    except SystemExit:  # argparse's
        assert sentence in capsys.readouterr().err
    else:
        pytest.fail("it must be refused")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """SLURM's commands on the PATH."""
    commands = fake_slurm.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    return commands


def test_slurm_is_looked_for_before_anything_runs(slurm: Path) -> None:
    options = read("--executor slurm --slurm-time 60")
    executor(options)
    (slurm / "sbatch").unlink()
    with pytest.raises(UsageError, match="sbatch is not on the PATH.$"):
        executor(options)


@pytest.mark.parametrize("name", ["slurm", "submitit-local"])
def test_without_submitit_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, slurm: Path, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    options = read(f"--executor {name}" + " --slurm-time 60" * (name == "slurm"))
    with pytest.raises(
        UsageError,
        match=f"^--executor {name} must find submitit, which comes with "
        "the extra `study` .*, but it is not installed.$",
    ):
        executor(options)
    executor(read(""))  # which needs none


def test_the_chosen_executor_runs_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(command, "places", lambda runs, per_device: ["5"] * per_device)
    monkeypatch.setattr(command, "run_locally", lambda *arguments: calls.append(arguments))
    executor(read("--executor local"))([], Path("own"))
    executor(read("--executor local --parallel 3"))([], Path("own"))
    assert calls == [([], ["5"]), ([], ["5"] * 3)]


def test_a_refusal_creates_no_directory(study: Any, tmp_path: Path) -> None:
    line = f"run table2 --size tiny --data-bin {tmp_path} --out {tmp_path}/runs --slurm-time 5"
    with pytest.raises(UsageError, match="--executor slurm"):
        study(line)
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def data_bin(tmp_path: Path) -> Path:
    """A corpus as far as a plan reads it: two dictionaries and the data card."""
    directory = tmp_path / "data-bin"
    directory.mkdir()
    for lang in ("de", "en"):
        (directory / f"dict.{lang}.txt").write_text("word 1\n")
    DataCard("copy", "en", "de", "sentencepiece", {}, {}, {}, 1, {}, {}).write(tmp_path)
    return directory


def test_at_the_end_the_report_is_named(
    data_bin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    grid = tmp_path / "own.yaml"
    grid.write_text("models: {a: {}, b: {self_attn_terms: '0010', seeds: 1}}")
    printed: list[str] = []

    def run_nothing(runs: Any, _: Any) -> list[Outcome]:
        printed.append((tmp_path / "my runs" / "own" / "grid.json").read_text())
        return [Outcome("done") for _ in runs]

    monkeypatch.setattr(command, "executor", lambda _: run_nothing)
    main_line = ["run", grid, "--size", "tiny", "--seeds", 2, 1, "--data-bin", data_bin]
    monkeypatch.setattr(
        sys, "argv", ["study", *map(str, main_line), "--out", f"{tmp_path}/my runs"]
    )
    main()
    assert capsys.readouterr().err == f"next: attn-nmt study report '{tmp_path}/my runs'\n"
    plan = {"cells": ["a", "b"], "seeds": [2, 1], "seeds_of": {"b": [2]}}
    assert json.loads(printed[0]) == plan


def test_a_grid_whose_directory_cannot_be_created_is_one_error(
    study: Any, data_bin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    sentence = f"^--out must be a directory, but {tmp_path}/file is not one.$"
    with pytest.raises(UsageError, match=sentence):
        study(f"run table2 --size tiny --data-bin {data_bin} --out {tmp_path}/file")
    assert capsys.readouterr() == ("", "")
