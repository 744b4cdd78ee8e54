"""All runs: one per GPU at a time or as jobs, each once, and stopped or cancelled as a whole."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event, Lock
from typing import Any

import pytest
import torch
from submitit.core.utils import UncompletedJobError

from attn_nmt.study.grids.runs import Run
from attn_nmt.study.running import executors, progress, run_directory
from attn_nmt.study.running.cell import Outcome, Stopped
from attn_nmt.study.running.executors import places, run_locally, run_submitted


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_POLL_INTERVAL", 0.01)


def done(run: Run) -> Outcome:
    return Outcome("done", {"seed": run.seed})


def several(run: Run, count: int) -> list[Run]:
    return [
        replace(run, seed=seed, save_dir=run.save_dir.parent / f"seed{seed}")
        for seed in range(1, count + 1)
    ]


def test_each_gpu_has_one_run_at_a_time(planned_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    both, lock = Barrier(2), Lock()
    busy: set[str] = set()

    def fake(run: Run, gpu: str, stop: Event) -> Outcome:
        with lock:
            assert gpu not in busy
            busy.add(gpu)
        both.wait(60)  # passes only if two run at the same time
        with lock:
            busy.remove(gpu)
        return Outcome("done", {"seed": run.seed, "gpu": gpu})

    monkeypatch.setattr(executors, "run_cell", fake)
    outcomes = run_locally(several(planned_run, 4), ["3", "5"])
    results: list[dict[str, Any]] = [outcome.result or {} for outcome in outcomes]
    assert [result["seed"] for result in results] == [1, 2, 3, 4]
    assert {result["gpu"] for result in results} == {"3", "5"}


def test_a_failure_is_reported_and_the_others_run(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fake(run: Run, gpu: str | None, stop: Event) -> Outcome:
        return Outcome("failed", problem="It broke.") if run.seed == 2 else Outcome("done", {})

    monkeypatch.setattr(executors, "run_cell", fake)
    outcomes = run_locally(several(planned_run, 3), [None])
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done"]
    assert f"{planned_run.save_dir.parent / 'seed2'}: It broke.\n" in capsys.readouterr().err


def test_an_interrupt_stops_running_runs_and_starts_no_other(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    running = Event()

    def fake(run: Run, gpu: str | None, stop: Event) -> Outcome:
        started.append(run.seed)
        running.set()
        stop.wait()
        raise Stopped

    def interrupt(*_: Any) -> None:
        running.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(executors, "run_cell", fake)
    monkeypatch.setattr(progress, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_locally(several(planned_run, 3), [None])
    assert started == [1]


@pytest.mark.parametrize(
    ("count", "variable", "flags", "names"),
    [
        (0, None, [], [None]),
        (2, None, [], ["0", "1"]),
        (2, "4,6", [], ["4", "6"]),
        (0, "", [], [None]),
        (2, None, ["--cpu"], [None]),
    ],
)
def test_the_gpus_are_the_visible_ones(
    planned_run: Run,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    variable: str | None,
    flags: list[str],
    names: list[str | None],
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    run = replace(planned_run, train=[*planned_run.train, *flags])
    assert places([run]) == names
    assert places([run], 2) == [name for name in names for _ in range(2)]


class Paths:
    stderr = Path("logs") / "7_0_log.err"


class FakeJob:
    """A job that is running for some polls, and then returns its result or raises it."""

    job_id, paths = "7", Paths

    def __init__(self, run: Run, polls: int, result: Outcome | Exception) -> None:
        self.run, self.polls, self.outcome = run, polls, result
        self.cancelled, self.status_mode = False, ""

    def done(self) -> bool:
        self.polls -= 1
        return self.polls < 0

    @property
    def state(self) -> str:
        return "RUNNING" if self.polls >= 0 else "OUT_OF_MEMORY"

    def result(self) -> Outcome:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def cancel(self, check: bool) -> None:
        self.cancelled = True

    def get_info(self, mode: str) -> None:
        self.status_mode = mode


class FakeQueue:
    """A queue with room for some jobs; ``results`` are those of the jobs by seed."""

    def __init__(self, room: int, results: dict[int, Outcome | Exception] | None = None) -> None:
        self.room, self.results = room, results or {}
        self.jobs: list[FakeJob] = []

    def submit(self, runs: Sequence[Run]) -> Any:
        room = self.room - sum(job.polls >= 0 for job in self.jobs)
        new = [FakeJob(run, 1, self.results.get(run.seed, done(run))) for run in runs[:room]]
        self.jobs += new
        return new


@pytest.mark.parametrize("room", [1, 2, 9])
def test_every_run_is_submitted_once_when_there_is_room(planned_run: Run, room: int) -> None:
    runs, queue = several(planned_run, 5), FakeQueue(room)
    outcomes = run_submitted(runs, queue)
    assert outcomes == [done(run) for run in runs]
    assert [job.run for job in queue.jobs] == runs
    assert not any(job.cancelled for job in queue.jobs)


def test_finished_runs_are_not_submitted(planned_run: Run) -> None:
    runs, queue = several(planned_run, 3), FakeQueue(9)
    result = {"scores": {"bleu": 12.5}, "evaluation": "evaluation-test", "data_bin": "data-bin"}
    for run, text in ((runs[0], "half a res"), (runs[1], None)):
        run.save_dir.mkdir(parents=True)
        path = run.save_dir / "result.json"
        run_directory.write_json(path, result) if text is None else path.write_text(text)
    outcomes = run_submitted(runs, queue)
    assert [job.run for job in queue.jobs] == [runs[2]]
    assert [outcome.state for outcome in outcomes] == ["failed", "kept", "done"]
    assert outcomes[1].result == result
    assert "must be a result of a run" in str(outcomes[0].problem)


def test_states_are_queried_every_minute(planned_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """submitit by itself would query them ever more rarely, in the end every ten minutes."""
    now = [0.0]
    monkeypatch.setattr(executors.time, "monotonic", lambda: now[0])
    queue = FakeQueue(9)
    monitor = executors._JobMonitor(several(planned_run, 2), queue)
    monkeypatch.setattr(FakeJob, "done", lambda job: False)
    modes = []
    for now[0] in (1.0, 59.0, 61.0, 62.0, 122.0):
        monitor.poll()
        modes.append([job.status_mode for job in queue.jobs])
        for job in queue.jobs:
            job.status_mode = ""
    assert modes == [["", ""], ["", ""], ["force", ""], ["", ""], ["force", ""]]


def test_a_job_that_dies_is_a_failure_that_names_its_log(
    planned_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = several(planned_run, 3)
    queue = FakeQueue(9, {2: UncompletedJobError("Error stream produced:\nslurmstepd: Killed")})
    outcomes = run_submitted(runs, queue)
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done"]
    sentence = (
        "Job 7 must return a result, but returned none and is OUT_OF_MEMORY; see logs/7_0_log.err."
    )
    assert outcomes[1].problem == sentence
    assert f"{runs[1].save_dir}: {sentence}\n" in capsys.readouterr().err
    failure = (runs[1].save_dir / "failure.txt").read_text().splitlines()
    assert (failure[0], failure[-1]) == (sentence, "slurmstepd: Killed")


def test_an_interrupt_cancels_unfinished_jobs(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, queue = several(planned_run, 4), FakeQueue(3)
    polls: list[int] = []

    def poll(monitor: Any) -> None:
        original(monitor)
        queue.jobs[0].polls = -1  # it has ended, and the fourth takes its place
        polls.append(1)
        if len(polls) == 3:
            raise KeyboardInterrupt

    original = executors._JobMonitor.poll
    monkeypatch.setattr(executors._JobMonitor, "poll", poll)
    monkeypatch.setattr(FakeJob, "done", lambda job: job.polls < 0)
    with pytest.raises(KeyboardInterrupt):
        run_submitted(runs, queue)
    assert [job.cancelled for job in queue.jobs] == [False, True, True, True]
    assert capsys.readouterr().err.splitlines()[-1] == "cancelling 3 jobs"


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_during_submission_loses_no_job(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch, interrupt: signal.Signals
) -> None:
    queue = FakeQueue(9)
    original_submit = queue.submit

    def submit(runs: Sequence[Run]) -> Any:
        os.kill(os.getpid(), interrupt)
        return original_submit(runs)

    def handler(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(queue, "submit", submit)
    original_handler = signal.signal(signal.SIGTERM, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_submitted(several(planned_run, 2), queue)
    finally:
        signal.signal(signal.SIGTERM, original_handler)
    assert [job.cancelled for job in queue.jobs] == [True, True]


def test_a_cancelled_job_has_released_its_directory(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next start would find it locked."""
    (run,) = several(planned_run, 1)
    run.save_dir.mkdir(parents=True)
    lock = run_directory.exclusive(run.save_dir)
    lock.__enter__()
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            lock.__exit__(None, None, None)

    def submit(runs: Sequence[Run]) -> Any:
        signal.raise_signal(signal.SIGINT)
        return [FakeJob(run, 9, done(run))]

    queue = FakeQueue(9)
    monkeypatch.setattr(queue, "submit", submit)
    monkeypatch.setattr(executors.time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        run_submitted([run], queue)
    assert len(waits) == 3
