"""``python -m attn_nmt.study run`` on the copy task: kept, gone on with, failing, refused."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from support import fake_slurm
from support.commandline import ROOT, SMALL, run_command

from attn_nmt.checkpoints import load_checkpoint

FLAGS = (
    *SMALL,
    "--max-tokens",
    1500,
    "--tokens-per-update",
    1500,
    "--lr",
    0.005,
    "--warmup-updates",
    100,
    "--max-update",
    22,
    "--save-interval-updates",
    5,
    "--log-interval",
    5,
)
TERMS = ("0010", "1111")
SLURM = ("--slurm-time", 30, "--slurm-gpus-per-node", 0, "--slurm-additional", "account=me")
LEFT = {
    ".lock",
    "average3.pt",
    "command.sh",
    "config.json",
    "environment.json",
    "evaluate.log",
    "evaluation-test-average3",
    "result.json",
    "train.log",
}


def write_grid(path: Path, vary: dict[str, list[Any]]) -> Path:
    path.write_text(json.dumps({"vary": vary}))  # JSON is YAML
    return path


def study(*arguments: object) -> list[str]:
    return [str(word) for word in (sys.executable, "-m", "attn_nmt.study", *arguments)]


def arguments(grid: Path, data_bin: Path, out: Path, *more: object) -> tuple[object, ...]:
    return (grid, "--size", "tiny", "--data-bin", data_bin, "--out", out, *FLAGS, *more)


def table(text: str) -> list[list[str]]:
    return [re.split(" {2,}", line) for line in text.splitlines()]


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cells."""
    return write_grid(
        tmp_path_factory.mktemp("grid") / "own.yaml", {"self_attn_terms": list(TERMS)}
    )


@pytest.fixture(scope="module")
def finished(data_bin: Path, grid: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Both cells from start to end: where, and what was printed."""
    out = tmp_path_factory.mktemp("finished") / "runs"
    return out, run_command(*study("run", *arguments(grid, data_bin, out, "--average", 3)))


def cell(out: Path, terms: str, grid: str = "own") -> Path:
    return out / grid / f"self_attn_terms={terms}" / "seed1"


def test_every_cell_is_trained_and_scored(finished: Any) -> None:
    out, printed = finished
    rows = table(printed.stdout)
    assert [row[0] for row in rows[1:]] == [f"self_attn_terms={terms}" for terms in TERMS]
    for row, terms in zip(rows[1:], TERMS, strict=True):
        found = result(cell(out, terms))
        assert row[2:] == ["done", f"{found['scores']['bleu']:.2f}", "mean of 3"]
    assert printed.stderr.count("runs [") and "train_inner" not in printed.stderr


def test_what_a_cell_leaves(finished: Any, grid: Path, data_bin: Path) -> None:
    out, _ = finished
    folder = cell(out, "0010")
    assert {path.name for path in folder.iterdir() if "checkpoint" not in path.name} == LEFT
    found = result(folder)
    assert (found["cell"], found["seed"], found["updates"]) == ("self_attn_terms=0010", 1, 22)
    assert found["checkpoints"] == [
        "checkpoint_1_10.pt",
        "checkpoint_1_15.pt",
        "checkpoint_2_20.pt",
    ]
    assert found["tokens_per_second"] > 0 and found["parameters"] == 79488
    assert found["scores"]["bleu_signature"].startswith("nrefs:1|")
    assert (folder / found["evaluation"] / "hypotheses.de").read_text().count("\n") == 100
    config = json.loads((folder / "config.json").read_text())
    assert (config["model"]["self_attn_terms"], config["optimization"]["lr"]) == ("0010", [0.005])
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    assert environment["data_card"]["corpus"] == "copy"


def test_the_commands_are_those_of_plan(finished: Any, grid: Path, data_bin: Path) -> None:
    out, _ = finished
    printed = run_command(*study("plan", *arguments(grid, data_bin, out, "--average", 3))).stdout
    planned = [line for line in printed.splitlines() if line and not line.startswith("#")]
    kept = [
        line
        for terms in TERMS
        for line in (cell(out, terms) / "command.sh").read_text().splitlines()[1:]
    ]
    assert planned == kept
    found = result(cell(out, "0010"))
    assert [shlex.join(found["train"]), shlex.join(found["evaluate"])] == kept[:2]


def test_a_second_start_does_nothing(finished: Any, grid: Path, data_bin: Path) -> None:
    out, first = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.*") if path.name != ".lock"}
    second = run_command(*study("run", *arguments(grid, data_bin, out, "--average", 3)))
    assert table(second.stdout) == [
        ["kept" if word == "done" else word for word in row] for row in table(first.stdout)
    ]
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_finished_runs_can_be_compared(finished: Any, data_bin: Path) -> None:
    runs = [cell(finished[0], terms) for terms in TERMS]
    printed = run_command(*study("compare", *runs, "--samples", 20, "--format", "json")).stdout
    rows = [json.loads(line) for line in printed.splitlines()]
    assert [round(row["bleu"], 2) for row in rows] == [
        result(run)["scores"]["bleu"] for run in runs
    ]
    assert rows[1]["reference"] == str(data_bin.parent / "raw" / "test.de")


def test_other_flags_are_refused_before_anything_runs(
    finished: Any, data_bin: Path, tmp_path: Path
) -> None:
    out, _ = finished
    more = write_grid(tmp_path / "own.yaml", {"self_attn_terms": ["1010", *TERMS]})
    words = study("run", *arguments(more, data_bin, out, "--average", 3, "--clip-norm", 0.5))
    refused = run_command(*words, check=False)
    assert refused.returncode == 1 and refused.stdout == ""
    assert refused.stderr.splitlines()[-1] == (
        f"error: {cell(out, '0010')} must be gone on with by the command that started it, but "
        "that had nothing where this has --clip-norm 0.5."
    )
    assert not cell(out, "1010").exists()


@pytest.mark.parametrize("executor", ["local", "submitit-local"])
def test_an_interrupted_run_goes_on_to_the_same_end(
    finished: Any, data_bin: Path, tmp_path: Path, executor: str
) -> None:
    one = write_grid(tmp_path / "own.yaml", {"self_attn_terms": ["0010"]})
    words = study(
        "run", *arguments(one, data_bin, tmp_path / "runs", "--average", 3), "--executor", executor
    )
    folder = cell(tmp_path / "runs", "0010")
    interrupt(words, folder, "checkpoint_1_10.pt")
    assert "done training" not in (folder / "train.log").read_text()
    assert not {"result.json", "failure.txt"} & {path.name for path in folder.iterdir()}

    run_command(*words)
    assert "Loaded checkpoint" in (folder / "train.log").read_text()
    undisturbed = cell(finished[0], "0010")
    assert same(result(folder)) == same(result(undisturbed))
    models = [load_checkpoint(at / "checkpoint_last.pt")["model"] for at in (folder, undisturbed)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[1])


def test_an_interrupted_evaluation_is_done_again(finished: Any, grid: Path, data_bin: Path) -> None:
    out, _ = finished
    words = study("run", *arguments(grid, data_bin, out, "--average", 3))
    folder = cell(out, "0010")
    before, log = result(folder), (folder / "train.log").read_text()
    (folder / "result.json").unlink()
    interrupt(words, folder, ".evaluation-*", signal.SIGTERM)
    assert not (folder / "result.json").exists() and not list(folder.glob(".evaluation-*"))
    assert [row[2] for row in table(run_command(*words).stdout)[1:]] == ["done", "kept"]
    assert result(folder) == before
    assert (folder / "train.log").read_text() == log


def interrupt(
    words: list[str], folder: Path, moment: str, sent: signal.Signals = signal.SIGINT
) -> None:
    """Start the command, and interrupt it when there is a file of that pattern in the folder."""
    running = subprocess.Popen(
        words,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(folder.glob(moment)) and running.poll() is None:
        time.sleep(0.001)
    os.killpg(running.pid, sent)  # Ctrl-C sends SIGINT to the whole group
    out, errors = running.communicate()
    assert (running.returncode, out) == (130, "")
    assert errors.splitlines()[-1] == "interrupted"
    end = time.monotonic() + 20
    while session(running.pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert session(running.pid) == [], "nothing goes on"


def session(leader: int) -> list[str]:
    """What still runs of a session, by /proc; nothing is known of it without."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            lines.append(path.read_text())
    fields = [line.rpartition(")")[2].split() for line in lines]
    return [
        line
        for line, (state, _, _, its, *_) in zip(lines, fields, strict=True)
        if int(its) == leader and state != "Z"
    ]


def same(found: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on the folder and on the hour."""
    differs = ("train", "evaluate", "tokens_per_second")
    return {name: value for name, value in found.items() if name not in differs}


@pytest.mark.parametrize("executor", [("local",), ("slurm", *SLURM)], ids=["local", "slurm"])
def test_a_cell_that_fails_leaves_the_others_and_is_tried_again(
    data_bin: Path, tmp_path: Path, executor: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = fake_slurm.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    # Sentences longer than three tokens are none that fairseq takes.
    lengths = write_grid(tmp_path / "lengths.yaml", {"max_source_positions": [3, 1024]})
    words = study(
        "run",
        *arguments(lengths, data_bin, tmp_path / "runs", "--average", 9),
        "--executor",
        *executor,
    )
    run = run_command(*words, check=False)
    assert run.returncode == 1
    assert [row[:3] for row in table(run.stdout)[1:]] == [
        ["max_source_positions=3", "1", "failed"],
        ["max_source_positions=1024", "1", "done"],
    ]
    assert run.stdout.splitlines()[2].endswith("  checkpoint_best.pt"), "too few for a mean of 9"
    failed, done = (
        tmp_path / "runs" / "lengths" / f"max_source_positions={n}" / "seed1" for n in (3, 1024)
    )
    assert run.stderr.splitlines()[-1] == (
        "error: All 2 runs must succeed, but 1 failed; failure.txt in their folders says why."
    )
    assert f"{failed}: attn_nmt.training must succeed, but left with 1.\n" in run.stderr
    assert "Size of sample" in (failed / "failure.txt").read_text().splitlines()[-1]
    assert result(done)["averaged"] is False
    again = run_command(*words, check=False)
    assert [row[2] for row in table(again.stdout)[1:]] == ["failed", "kept"]
    # The second start has one run left, and so no array.
    jobs = ["70_0_0", "70_0", "70_1_0"] if executor[0] == "slurm" else []
    found = (tmp_path / "runs" / "lengths" / ".submitit").glob("*_result.pkl")
    assert sorted(path.name for path in found) == [f"{job}_result.pkl" for job in jobs]
