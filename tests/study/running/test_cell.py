"""One run of a cell: what it keeps, how it fails, when it is trained, how it is stopped."""

from __future__ import annotations

import json
import os
import pickle
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import torch

from attn_nmt.study.grids.runs import Run
from attn_nmt.study.running import run_directory
from attn_nmt.study.running.cell import Stopped, is_trained, run_cell, run_command

DONE = "2026 | INFO | fairseq_cli.train | done training in 3.0 seconds\n"
WITH_A_CHILD = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
child.wait()
"""


def checkpoint(directory: Path, updates: int, limit: int) -> None:
    """Write what a checkpoint says about its training."""
    directory.mkdir(parents=True, exist_ok=True)
    state = {
        "model": {},
        "optimizer_history": [{"num_updates": updates}],
        "cfg": {"optimization": {"max_update": limit}},
    }
    torch.save(state, directory / "checkpoint_last.pt")


def test_a_run_can_be_sent_to_another_process(planned_run: Run) -> None:
    assert pickle.loads(pickle.dumps(planned_run)) == planned_run
    assert pickle.loads(pickle.dumps(run_cell)) is run_cell


@pytest.mark.parametrize(
    ("updates", "limit", "log", "trained"),
    [
        (7, 9, "", False),
        (9, 9, "", True),
        (7, 9, DONE, True),
        (7, 0, "", False),
        (7, 0, DONE, True),
    ],
)
def test_a_training_is_complete_by_its_log_or_its_updates(
    tmp_path: Path, updates: int, limit: int, log: str, trained: bool
) -> None:
    checkpoint(tmp_path, updates, limit)
    (tmp_path / "train.log").write_text(log)
    assert is_trained(tmp_path) is trained


def test_without_a_whole_checkpoint_nothing_is_trained(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(DONE)
    assert not is_trained(tmp_path)
    (tmp_path / "train.log").write_text("")
    checkpoint(tmp_path, 9, 9)
    whole = (tmp_path / "checkpoint_last.pt").read_bytes()
    (tmp_path / "checkpoint_last.pt").write_bytes(whole[:200])
    assert not is_trained(tmp_path)


def test_a_finished_run_is_kept_unchanged(planned_run: Run) -> None:
    planned_run.save_dir.mkdir(parents=True)
    result = {"scores": {"bleu": 12.5}, "evaluation": "evaluation-test", "data_bin": "data-bin"}
    (planned_run.save_dir / "result.json").write_text(json.dumps(result))
    outcome = run_cell(planned_run)
    assert (outcome.state, outcome.result, outcome.problem) == ("kept", result, None)
    assert sorted(path.name for path in planned_run.save_dir.iterdir()) == [".lock", "result.json"]


def test_a_failure_is_returned_and_written_to_its_file(planned_run: Run) -> None:
    outcome = run_cell(planned_run)  # there are no data
    assert outcome.state == "failed" and outcome.result is None
    assert outcome.problem is not None and "data_card.json must exist" in outcome.problem
    assert (planned_run.save_dir / "failure.txt").read_text() == outcome.problem + "\n"
    assert not (planned_run.save_dir / "result.json").exists()


def test_an_unexpected_error_is_kept_with_its_traceback(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr(run_directory, "require_same_data", broken)
    outcome = run_cell(planned_run)
    assert (outcome.state, outcome.problem) == ("failed", "ZeroDivisionError: by hand")
    failure = (planned_run.save_dir / "failure.txt").read_text()
    assert "in broken" in failure and failure.endswith("ZeroDivisionError: by hand\n")


def test_a_locked_directory_is_left_alone(planned_run: Run) -> None:
    planned_run.save_dir.mkdir(parents=True)
    with run_directory.exclusive(planned_run.save_dir):
        outcome = run_cell(planned_run)
    assert outcome.problem == (
        f"{planned_run.save_dir} must be used by one process at a time, "
        "but another one works there."
    )
    assert [path.name for path in planned_run.save_dir.iterdir()] == [".lock"]


def python(code: str) -> list[str]:
    return ["python", "-c", code]


def is_running(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_output_and_errors_are_appended_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    code = "import os, sys; print(os.environ['NEW']); print('wrong', file=sys.stderr); sys.exit(3)"
    assert run_command(python(code), log, environment={"NEW": "value"}, stop=None) == 3
    assert log.read_text().splitlines()[0] == "before"
    assert sorted(log.read_text().splitlines()[1:]) == ["value", "wrong"]
    assert "NEW" not in os.environ


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs Linux's /proc")
def test_stopping_a_command_ends_the_processes_that_it_started(tmp_path: Path) -> None:
    log, stop = tmp_path / "log", Event()

    def stop_when_started() -> None:
        while not (log.is_file() and log.read_text().endswith("\n")):
            time.sleep(0.01)
        stop.set()

    waiting = Thread(target=stop_when_started)
    waiting.start()
    with pytest.raises(Stopped):
        run_command(python(WITH_A_CHILD), log, environment={}, stop=stop)
    waiting.join()
    grandchild = int(log.read_text())
    while is_running(grandchild):  # its parent has ended
        time.sleep(0.01)
