"""Runs as jobs: what is sent and when, what an interrupt cancels, what a dead job is."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from submitit.core.utils import UncompletedJobError

from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running import cell_files, submitted
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.submitted import run_submitted


class Paths:
    stderr = Path("logs") / "7_0_log.err"


class FakeJob:
    """A job that runs for some questions, and then leaves its result or raises it."""

    job_id, paths = "7", Paths

    def __init__(self, run: Run, questions: int, result: Outcome | Exception) -> None:
        self.run, self.questions, self.left = run, questions, result
        self.cancelled, self.asked = False, ""

    def done(self) -> bool:
        self.questions -= 1
        return self.questions < 0

    @property
    def state(self) -> str:
        return "RUNNING" if self.questions >= 0 else "OUT_OF_MEMORY"

    def result(self) -> Outcome:
        if isinstance(self.left, Exception):
            raise self.left
        return self.left

    def cancel(self, check: bool) -> None:
        self.cancelled = True

    def get_info(self, mode: str) -> None:
        self.asked = mode


class FakeQueue:
    """A queue with room for some jobs; a seed's job leaves what ``results`` has for it."""

    def __init__(self, room: int, results: dict[int, Outcome | Exception] | None = None) -> None:
        self.room, self.results = room, results or {}
        self.jobs: list[FakeJob] = []

    def submit(self, runs: Sequence[Run]) -> Any:
        room = self.room - sum(job.questions >= 0 for job in self.jobs)
        new = [FakeJob(run, 1, self.results.get(run.seed, done(run))) for run in runs[:room]]
        self.jobs += new
        return new


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attn_nmt.study.running.progress._SECONDS_A_LOOK", 0.01)


def done(run: Run) -> Outcome:
    return Outcome("done", {"seed": run.seed})


def several(run: Run, count: int) -> list[Run]:
    return [
        replace(run, seed=seed, save_dir=run.save_dir.parent / f"seed{seed}")
        for seed in range(1, count + 1)
    ]


@pytest.mark.parametrize("room", [1, 2, 9])
def test_every_run_is_sent_once_when_there_is_room(planned_run: Run, room: int) -> None:
    runs, queue = several(planned_run, 5), FakeQueue(room)
    outcomes = run_submitted(runs, queue)
    assert outcomes == [done(run) for run in runs]
    assert [job.run for job in queue.jobs] == runs
    assert not any(job.cancelled for job in queue.jobs)


def test_what_is_finished_is_not_sent(planned_run: Run) -> None:
    runs, queue = several(planned_run, 3), FakeQueue(9)
    found = {"scores": {"bleu": 12.5}, "evaluation": "evaluation-test", "data_bin": "data-bin"}
    for run, text in ((runs[0], "half a res"), (runs[1], None)):
        run.save_dir.mkdir(parents=True)
        path = run.save_dir / "result.json"
        cell_files.write_json(path, found) if text is None else path.write_text(text)
    outcomes = run_submitted(runs, queue)
    assert [job.run for job in queue.jobs] == [runs[2]]
    assert [outcome.state for outcome in outcomes] == ["failed", "kept", "done"]
    assert outcomes[1].result == found
    assert "must be a result of a run" in str(outcomes[0].problem)


def test_states_are_asked_for_every_minute(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """submitit alone would ask more and more rarely, in the end every ten minutes."""
    now = [0.0]
    monkeypatch.setattr(submitted.time, "monotonic", lambda: now[0])
    queue = FakeQueue(9)
    watch = submitted._Watch(several(planned_run, 2), queue)
    monkeypatch.setattr(FakeJob, "done", lambda job: False)
    asked = []
    for now[0] in (1.0, 59.0, 61.0, 62.0, 122.0):
        watch.look()
        asked.append([job.asked for job in queue.jobs])
        for job in queue.jobs:
            job.asked = ""
    assert asked == [["", ""], ["", ""], ["force", ""], ["", ""], ["force", ""]]


def test_a_job_that_dies_is_a_failure_that_names_its_log(
    planned_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = several(planned_run, 3)
    queue = FakeQueue(9, {2: UncompletedJobError("Error stream produced:\nslurmstepd: Killed")})
    outcomes = run_submitted(runs, queue)
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done"]
    sentence = (
        "Job 7 must leave a result, but left none and is OUT_OF_MEMORY; see logs/7_0_log.err."
    )
    assert outcomes[1].problem == sentence
    assert f"{runs[1].save_dir}: {sentence}\n" in capsys.readouterr().err
    kept = (runs[1].save_dir / "failure.txt").read_text().splitlines()
    assert (kept[0], kept[-1]) == (sentence, "slurmstepd: Killed")


def test_an_interrupt_cancels_what_has_not_ended(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, queue = several(planned_run, 4), FakeQueue(3)
    looks: list[int] = []

    def look(watch: Any) -> None:
        before(watch)
        queue.jobs[0].questions = -1  # that one has ended, and the fourth takes its place
        looks.append(1)
        if len(looks) == 3:
            raise KeyboardInterrupt

    before = submitted._Watch.look
    monkeypatch.setattr(submitted._Watch, "look", look)
    monkeypatch.setattr(FakeJob, "done", lambda job: job.questions < 0)
    with pytest.raises(KeyboardInterrupt):
        run_submitted(runs, queue)
    assert [job.cancelled for job in queue.jobs] == [False, True, True, True]
    assert capsys.readouterr().err.splitlines()[-1] == "cancelling 3 jobs"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_jobs_are_sent_loses_none(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals
) -> None:
    queue = FakeQueue(9)
    take = queue.submit

    def submit(runs: Sequence[Run]) -> Any:
        os.kill(os.getpid(), sent)
        return take(runs)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(queue, "submit", submit)
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_submitted(several(planned_run, 2), queue)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [job.cancelled for job in queue.jobs] == [True, True]


def test_what_is_cancelled_has_left_its_folder(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start must find it free."""
    (run,) = several(planned_run, 1)
    run.save_dir.mkdir(parents=True)
    working = cell_files.only_one(run.save_dir)
    working.__enter__()
    looked: list[float] = []

    def sleep(seconds: float) -> None:
        looked.append(seconds)
        if len(looked) == 3:
            working.__exit__(None, None, None)

    def submit(runs: Sequence[Run]) -> Any:
        signal.raise_signal(signal.SIGINT)
        return [FakeJob(run, 9, done(run))]

    queue = FakeQueue(9)
    monkeypatch.setattr(queue, "submit", submit)
    monkeypatch.setattr(submitted.time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        run_submitted([run], queue)
    assert len(looked) == 3
