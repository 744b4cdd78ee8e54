"""A job on its node: what each signal does to it and to its training."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import pytest
from submitit.core.job_environment import SignalHandler
from submitit.core.utils import DelayedSubmission, JobPaths, UncompletedJobError
from submitit.local.local import LOCAL_REQUEUE_RETURN_CODE, LocalJobEnvironment

from attn_nmt.data_card import DataCard
from attn_nmt.study.grids.runs import Run
from attn_nmt.study.running import submitit_jobs
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.run_directory import in_use
from attn_nmt.study.running.submitit_jobs import CellJob

# Prints its process id once it runs; a signal ends it.
TRAINING = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
SENDERS: list[Thread] = []


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make this process a job, and restore its signal handlers."""
    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", "7")
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGCONT, signal.SIGUSR2)
    original = {number: signal.getsignal(number) for number in numbers}
    yield
    for thread in SENDERS:  # a late signal would end the tests
        thread.join()
    SENDERS.clear()
    for number, handler in original.items():
        signal.signal(number, handler)


@pytest.fixture
def training(planned_run: Run) -> Run:
    """A run whose training continues until it is stopped."""
    corpus = planned_run.data_bin.parent
    corpus.mkdir()
    DataCard("copy", "en", "de", "sentencepiece", {}, {}, {}, 1, {}, {}).write(corpus)
    return replace(planned_run, train=["python", "-c", TRAINING])


def log(run: Run) -> Path:
    return run.save_dir / "train.log"


def signal_when_training(run: Run, *signals: signal.Signals, whole_job: bool) -> Thread:
    """Once the run trains, signal all processes of the job, as SLURM does, or only this one."""

    def send() -> None:
        while not (log(run).is_file() and log(run).read_text().endswith("\n")):
            time.sleep(0.01)
        for number in signals:
            if whole_job:
                os.kill(int(log(run).read_text()), number)
                time.sleep(0.2)  # the training ends before this process handles the signal
            os.kill(os.getpid(), number)

    SENDERS.append(Thread(target=send))
    SENDERS[-1].start()
    return SENDERS[-1]


def is_running(run: Run) -> bool:
    return Path("/proc", log(run).read_text().strip()).exists()


def install_handlers(call: CellJob, folder: Path, *, requeues: int) -> JobPaths:
    """Install submitit's handlers of SIGUSR2 and SIGTERM, for a job with 90 minutes."""
    paths = JobPaths(folder, "7")
    folder.mkdir()
    submission = DelayedSubmission(call)
    submission.set_timeout(90, requeues)
    submission.dump(paths.submitted_pickle)
    LocalJobEnvironment()._handle_signals(paths, submission)
    return paths


@pytest.mark.parametrize("whole_job", [True, False])
def test_before_its_time_limit_a_job_is_stopped_and_requeued(
    training: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_job: bool
) -> None:
    call = CellJob(training)
    paths = install_handlers(call, tmp_path / "submitit", requeues=3)
    sender = signal_when_training(training, signal.SIGUSR2, whole_job=whole_job)
    when_requeued: list[Any] = []

    def requeue(self: Any, countdown: int) -> None:
        when_requeued.append((is_running(training), in_use(training.save_dir)))
        raise SystemExit(LOCAL_REQUEUE_RETURN_CODE)

    monkeypatch.setattr(LocalJobEnvironment, "_requeue", requeue)
    with pytest.raises(SystemExit) as exited:
        call()
    sender.join()
    assert exited.value.code == LOCAL_REQUEUE_RETURN_CODE
    assert when_requeued == [(False, False)], "everything has ended before another node may start"
    assert not (training.save_dir / "failure.txt").exists()
    again = DelayedSubmission.load(paths.submitted_pickle)
    assert (again.function.run, again._timeout_countdown) == (training, 3)


def test_a_job_without_requeues_left_is_given_up(
    training: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = CellJob(training)
    install_handlers(call, tmp_path / "submitit", requeues=0)
    monkeypatch.setattr(SignalHandler, "has_timed_out", lambda _: True)
    sender = signal_when_training(training, signal.SIGUSR2, whole_job=True)
    with pytest.raises(UncompletedJobError, match="timed-out too many times"):
        call()
    sender.join()
    assert not is_running(training)


@pytest.mark.parametrize("whole_job", [True, False])
def test_a_cancelled_job_has_no_outcome(training: Run, whole_job: bool) -> None:
    sender = signal_when_training(training, signal.SIGINT, whole_job=whole_job)
    with pytest.raises(SystemExit, match="stopped from outside"):
        CellJob(training)()
    sender.join()
    assert not is_running(training) and not in_use(training.save_dir)
    assert not (training.save_dir / "failure.txt").exists()


class Interrupted(Event):
    """An event during whose ``set`` a second Ctrl-C arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.times = Lock(), 0

    def set(self) -> None:
        with self.lock:
            self.times += 1
            if self.times == 1:
                signal.raise_signal(signal.SIGINT)
        super().set()


def test_a_signal_during_another_one_does_not_deadlock(training: Run) -> None:
    def give_up(*_: Any) -> None:
        raise TimeoutError("a handler waits for itself")

    call = CellJob(training)
    call._stop = Interrupted()
    original = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    sender = signal_when_training(training, signal.SIGINT, whole_job=False)
    try:
        with pytest.raises(SystemExit, match="stopped from outside"):
            call()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, original)
    sender.join()
    assert not is_running(training)


def test_an_unexpected_error_is_raised_to_submitit(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr(submitit_jobs, "run_cell", broken)
    with pytest.raises(ZeroDivisionError, match="by hand"):
        CellJob(planned_run)()


def test_after_sigterm_a_job_waits_to_be_killed_or_requeued(training: Run, tmp_path: Path) -> None:
    call = CellJob(training)
    install_handlers(call, tmp_path / "submitit", requeues=3)
    sender = signal_when_training(training, signal.SIGTERM, whole_job=True)

    def requeue() -> None:
        sender.join()
        while is_running(training) or in_use(training.save_dir):
            time.sleep(0.01)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGUSR2)

    later = Thread(target=requeue)
    later.start()
    with pytest.raises(SystemExit) as exited:
        call()
    later.join()
    assert exited.value.code == LOCAL_REQUEUE_RETURN_CODE, (
        "not the code with which a job exits by itself"
    )


def test_the_outcome_is_that_of_the_run(planned_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    seen: list[Any] = []

    def fake(run: Run, gpu: str | None, stop: Any) -> Outcome:
        seen.extend((run, gpu, os.environ["CUDA_VISIBLE_DEVICES"], stop.is_set()))
        return Outcome("done", {"bleu": 1.5})

    monkeypatch.setattr(submitit_jobs, "run_cell", fake)
    assert CellJob(planned_run, "GPU-5")() == Outcome("done", {"bleu": 1.5})
    assert seen == [planned_run, "GPU-5", "GPU-5", False]
