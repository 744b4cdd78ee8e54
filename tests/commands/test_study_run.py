"""``python -m attn_nmt.study run`` on the copy task: finished, kept, resumed, failed, refused."""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from submitit import SlurmJob
from support import fake_slurm
from support.commandline import ROOT, SMALL, run_attn_nmt, shared_directory

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.study.__main__ import main
from attn_nmt.study.running import cell

FLAGS = (
    *SMALL,
    *shlex.split("--max-tokens 1500 --tokens-per-update 1500 --lr 0.005 --warmup-updates 100"),
    *shlex.split("--max-update 22 --save-interval-updates 5 --log-interval 5"),
)
SLURM = shlex.split("--slurm-time 30 --slurm-gpus-per-node 0 --slurm-additional account=me")
# fairseq-train fails on sentences that are longer than three tokens.
FAILING, GOOD = 3, 1024
FILES_OF_A_RUN = {
    ".lock",
    ".training.lock",
    "average3.pt",
    "command.sh",
    "config.json",
    "environment.json",
    "evaluate.log",
    "evaluation-test-average3",
    "result.json",
    "train.log",
}
Run = Callable[..., str]


def write_grid(path: Path, positions: list[int]) -> Path:
    grid = {"base": {"self_attn_terms": "0010"}, "vary": {"max_source_positions": positions}}
    path.write_text(json.dumps(grid))  # JSON is YAML
    return path


def arguments(grid: Path, data_bin: Path, out: Path, *more: object) -> tuple[object, ...]:
    return (grid, "--size", "tiny", "--data-bin", data_bin, "--out", out, *FLAGS, *more)


def directory_of(out: Path, positions: int) -> Path:
    return out / "own" / f"max_source_positions={positions}" / "seed1"


def table(text: str) -> list[list[str]]:
    return [re.split(" {2,}", line) for line in text.splitlines()]


def result(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((directory / "result.json").read_text())
    return content


def process(*words: object) -> list[str]:
    return [str(word) for word in (sys.executable, "-m", "attn_nmt.study", *words)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process and return what it prints."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run_here(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["study", "run", *map(str, words)])
        main()
        return capsys.readouterr().out

    return run_here


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cell whose training fails, and one that is finished."""
    return write_grid(tmp_path_factory.mktemp("grid") / "own.yaml", [FAILING, GOOD])


@pytest.fixture(scope="session")
def first_start(data_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The directory of both cells, and what was printed."""

    def make(directory: Path) -> None:
        grid = write_grid(directory / "own.yaml", [FAILING, GOOD])
        words = arguments(grid, data_bin, directory / "runs", "--average", 3)
        printed = run_attn_nmt("study", "run", *words, check=False)
        (directory / "printed").write_bytes(pickle.dumps(printed))

    directory = shared_directory(tmp_path_factory, "first_start", make)
    return directory / "runs", pickle.loads((directory / "printed").read_bytes())


@pytest.fixture
def no_other_start(first_start: Any) -> Iterator[None]:
    """Keep the tests of other processes from starting these cells again meanwhile.

    What the failing cell was last started with is restored for them.
    """
    command = directory_of(first_start[0], FAILING) / "command.sh"
    with (first_start[0].parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = command.read_bytes()
        yield
        command.write_bytes(before)


def test_a_cell_that_fails_is_reported_and_the_others_are_trained_and_scored(
    first_start: Any,
) -> None:
    out, printed = first_start
    failing, good = (directory_of(out, positions) for positions in (FAILING, GOOD))
    assert printed.returncode == 1
    rows = table(printed.stdout)
    assert rows[1] == [f"max_source_positions={FAILING}", "1", "failed"]
    bleu = f"{result(good)['scores']['bleu']:.2f}"
    assert rows[2] == [f"max_source_positions={GOOD}", "1", "done", bleu, "mean of 3"]
    plan = json.loads((out / "own" / "grid.json").read_text())
    cells = [f"max_source_positions={positions}" for positions in (FAILING, GOOD)]
    assert plan == {"cells": cells, "seeds": [1]}
    assert printed.stderr.count("done: 2 of 2 runs") == 1 and "train_inner" not in printed.stderr
    assert "\r" not in printed.stderr
    assert f"{failing}: attn_nmt.training must succeed, but exited with 1.\n" in printed.stderr
    assert printed.stderr.splitlines()[-1] == (
        "error: All 2 runs must succeed, but 1 failed, as said above and in "
        "failure.txt of their directories."
    )
    assert "Size of sample" in (failing / "failure.txt").read_text().splitlines()[-1]


def test_the_files_of_a_run_hold_its_result_configuration_and_environment(
    first_start: Any,
) -> None:
    directory = directory_of(first_start[0], GOOD)
    names = {path.name for path in directory.iterdir() if "checkpoint" not in path.name}
    assert names == FILES_OF_A_RUN
    content = result(directory)
    assert (content["cell"], content["seed"]) == (f"max_source_positions={GOOD}", 1)
    assert (content["updates"], content["parameters"]) == (22, 79488)
    assert content["checkpoints"] == [
        "checkpoint_1_10.pt",
        "checkpoint_1_15.pt",
        "checkpoint_2_20.pt",
    ]
    assert content["tokens_per_second"] > 0
    assert content["scores"]["bleu_signature"].startswith("nrefs:1|")
    assert (directory / content["evaluation"] / "hypotheses.de").read_text().count("\n") == 100
    config = json.loads((directory / "config.json").read_text())
    assert (config["model"]["self_attn_terms"], config["optimization"]["lr"]) == ("0010", [0.005])
    environment = json.loads((directory / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    assert environment["data_card"]["corpus"] == "copy"


def test_a_grid_of_learning_rates_is_trained_kept_and_reported(
    data_bin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, out = tmp_path / "own.yaml", tmp_path / "runs"
    training = {"max_tokens": 1500, "tokens_per_update": 1500, "max_update": 4, "log_interval": 1}
    grid.write_text(json.dumps({"base": training, "vary": {"lr": [0.001, 0.00001]}}))
    words = (grid, "--size", "tiny", "--data-bin", data_bin, "--out", out, *SMALL)
    cells = ["lr=0.001", "lr=1e-05"]
    rows = table(run_attn_nmt("study", "run", *words).stdout)[1:]
    assert [row[:3] for row in rows] == [[cell, "1", "done"] for cell in cells]
    for cell_name, lr in zip(cells, (0.001, 0.00001), strict=True):
        content = result(out / "own" / cell_name / "seed1")
        assert (content["train_flags"], content["updates"]) == ({**training, "lr": lr}, 4)
        config = json.loads((out / "own" / cell_name / "seed1" / "config.json").read_text())
        assert config["optimization"]["lr"] == [lr]
    rows = table(run_attn_nmt("study", "run", *words).stdout)[1:]
    assert [row[:3] for row in rows] == [[cell, "1", "kept"] for cell in cells]
    monkeypatch.setattr(sys, "argv", ["study", "report", str(out), "--baseline", cells[0]])
    main()
    report = (out / "report" / "own.md").read_text()
    assert all(f"| {cell} |" in report for cell in cells)
    assert "differ in flags" not in report


@pytest.mark.usefixtures("no_other_start")
def test_the_commands_are_those_of_plan(first_start: Any, grid: Path, data_bin: Path) -> None:
    out, _ = first_start
    words = arguments(grid, data_bin, out, "--average", 3)
    lines = run_attn_nmt("study", "plan", *words).stdout.splitlines()
    planned = [line for line in lines if line and not line.startswith("#")]
    scripts = [
        (directory_of(out, positions) / "command.sh").read_text().splitlines()[1:]
        for positions in (FAILING, GOOD)
    ]
    assert planned == scripts[0] + scripts[1]
    content = result(directory_of(out, GOOD))
    assert [shlex.join(content["train"]), shlex.join(content["evaluate"])] == scripts[1]


@pytest.mark.usefixtures("no_other_start")
def test_a_second_start_keeps_finished_runs_and_repeats_failed_ones(
    first_start: Any,
    grid: Path,
    data_bin: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, first = first_start
    failing, good = (directory_of(out, positions) for positions in (FAILING, GOOD))
    commands: list[list[str]] = []

    def fail(command: list[str], *_: Any, **__: Any) -> int:
        commands.append(command)
        return 1

    monkeypatch.setattr(cell, "run_command", fail)
    before = {path: path.stat().st_mtime_ns for path in good.rglob("*") if path.name != ".lock"}
    with pytest.raises(UsageError, match="^All 2 runs must succeed, but 1 failed, "):
        run(*arguments(grid, data_bin, out, "--average", 3))
    assert table(capsys.readouterr().out) == [
        ["kept" if word == "done" else word for word in row] for row in table(first.stdout)
    ]
    assert [shlex.join(command) for command in commands] == (
        (failing / "command.sh").read_text().splitlines()[1:2]
    )
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_finished_runs_can_be_compared(first_start: Any, data_bin: Path) -> None:
    directory = directory_of(first_start[0], GOOD)
    systems = (directory, directory / "evaluation-test-average3")
    words = ("study", "compare", *systems, "--samples", 20, "--format", "json")
    rows = [json.loads(line) for line in run_attn_nmt(*words).stdout.splitlines()]
    assert [round(row["bleu"], 2) for row in rows] == 2 * [result(directory)["scores"]["bleu"]]
    assert rows[1]["reference"] == str(data_bin.parent / "raw" / "test.de")


@pytest.mark.usefixtures("no_other_start")
def test_other_flags_are_refused_before_anything_runs(
    first_start: Any, data_bin: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = first_start
    more = write_grid(tmp_path / "own.yaml", [2, GOOD])
    with pytest.raises(UsageError) as refused:
        run(*arguments(more, data_bin, out, "--average", 3, "--clip-norm", 0.5))
    assert str(refused.value) == (
        f"{directory_of(out, GOOD)} must be resumed by the command that started it, but "
        "that had nothing where this has --clip-norm 0.5."
    )
    assert capsys.readouterr().out == "" and not directory_of(out, 2).exists()


@pytest.mark.usefixtures("no_other_start")
def test_other_log_intervals_do_not_refuse_a_resume(
    first_start: Any, grid: Path, data_bin: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell, "run_command", lambda *_, **__: 1)
    out, _ = first_start
    words = arguments(grid, data_bin, out, "--average", 3, "--log-interval", 1, "--num-workers", 0)
    with pytest.raises(UsageError, match="^All 2 runs must succeed, but 1 failed, "):
        run(*words)


def test_a_run_interrupted_in_training_and_in_evaluation_resumes_to_the_same_result(
    first_start: Any, data_bin: Path, tmp_path: Path
) -> None:
    one = write_grid(tmp_path / "own.yaml", [GOOD])
    words = arguments(one, data_bin, tmp_path / "runs", "--average", 3)
    directory = directory_of(tmp_path / "runs", GOOD)
    require_interrupted_in_training(process("run", *words), directory)

    interrupt(process("run", *words), directory, ".evaluation-*", signal.SIGTERM)
    assert not (directory / "result.json").exists() and not list(directory.glob(".evaluation-*"))
    log = (directory / "train.log").read_text()

    assert table(run_attn_nmt("study", "run", *words).stdout)[1][2] == "done"
    assert (directory / "train.log").read_text() == log
    require_same_result(directory, directory_of(first_start[0], GOOD))


def test_an_interrupted_job_resumes_to_the_same_result(
    first_start: Any, data_bin: Path, tmp_path: Path
) -> None:
    one = write_grid(tmp_path / "own.yaml", [GOOD])
    words = arguments(one, data_bin, tmp_path / "runs", "--average", 3)
    words += ("--executor", "submitit-local")
    directory = directory_of(tmp_path / "runs", GOOD)
    require_interrupted_in_training(process("run", *words), directory)

    run_attn_nmt("study", "run", *words)
    require_same_result(directory, directory_of(first_start[0], GOOD))


def require_interrupted_in_training(words: list[str], directory: Path) -> None:
    interrupt(words, directory, "checkpoint_1_10.pt", signal.SIGINT)
    assert "done training" not in (directory / "train.log").read_text()
    assert not {"result.json", "failure.txt"} & {path.name for path in directory.iterdir()}


def require_same_result(resumed: Path, undisturbed: Path) -> None:
    """Compare what depends neither on the directory nor on the time of day."""
    assert "Loaded checkpoint" in (resumed / "train.log").read_text()
    contents = [result(directory) for directory in (resumed, undisturbed)]
    for content in contents:
        for name in ("train", "evaluate", "tokens_per_second"):
            del content[name]
    assert contents[0] == contents[1]
    models = [load_checkpoint(at / "checkpoint_last.pt")["model"] for at in (resumed, undisturbed)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[1])


def interrupt(words: list[str], directory: Path, pattern: str, signum: signal.Signals) -> None:
    """Start the command, and interrupt it once a file in the directory matches the pattern."""
    running = subprocess.Popen(
        words,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(directory.glob(pattern)) and running.poll() is None:
        time.sleep(0.001)
    os.killpg(running.pid, signum)  # Ctrl-C sends SIGINT to the whole group
    out, errors = running.communicate()
    assert (running.returncode, out) == (128 + signum, "")
    word = "interrupted" if signum == signal.SIGINT else "terminated"
    assert errors.splitlines()[-1] == word
    assert errors.splitlines()[-2] == (
        "finished runs and checkpoints are kept; to resume: python -m " + shlex.join(words[2:])
    )
    deadline = time.monotonic() + 20
    while session(running.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert session(running.pid) == [], "no process is left"


def session(leader: int) -> list[str]:
    """Return the running processes of a session, by /proc; none where there is no /proc."""
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


def test_jobs_of_slurm_are_an_array_and_a_failed_one_is_submitted_again(
    grid: Path,
    data_bin: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    commands = fake_slurm.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    SlurmJob.watcher.clear()  # of the jobs of another test
    words = arguments(grid, data_bin, tmp_path / "runs", "--average", 9)
    words += ("--executor", "slurm", *SLURM)
    failure = "^All 2 runs must succeed, but 1 failed, as said above and in failure.txt of"
    with pytest.raises(UsageError, match=failure):
        run(*words)
    printed = capsys.readouterr()
    rows = table(printed.out)
    assert [row[2] for row in rows[1:]] == ["failed", "done"]
    assert rows[2][4] == "checkpoint_best.pt", "too few checkpoints for a mean of 9"
    failing, good = (directory_of(tmp_path / "runs", positions) for positions in (FAILING, GOOD))
    assert f"{failing}: attn_nmt.training must succeed, but exited with 1.\n" in printed.err
    assert "Size of sample" in (failing / "failure.txt").read_text().splitlines()[-1]
    assert result(good)["averaged"] is False

    SlurmJob.watcher.clear()
    with pytest.raises(UsageError, match=failure):
        run(*words)
    assert [row[2] for row in table(capsys.readouterr().out)[1:]] == ["failed", "kept"]
    # The second start has one run left, and so no array.
    results = (tmp_path / "runs" / "own" / ".submitit").glob("*_result.pkl")
    assert sorted(path.name for path in results) == [
        f"{job}_result.pkl" for job in ("70_0_0", "70_0", "70_1_0")
    ]
