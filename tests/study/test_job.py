"""A job on its node: what each signal does to it and to the training."""

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
from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running import cell_files, job
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.job import CellJob

# Says who it is, and that it is there; a signal ends it.
TRAINING = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
SENDING: list[Thread] = []


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make this process a job, and put back what a job does with signals."""
    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", "7")
    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGCONT, signal.SIGUSR2)
    before = {sent: signal.getsignal(sent) for sent in caught}
    yield
    for thread in SENDING:  # a signal that is late would end the tests
        thread.join()
    SENDING.clear()
    for sent, handler in before.items():
        signal.signal(sent, handler)


@pytest.fixture
def training(planned_run: Run) -> Run:
    """A run whose training goes on until it is stopped."""
    corpus = planned_run.data_bin.parent
    corpus.mkdir()
    DataCard("copy", "en", "de", "sentencepiece", {}, {}, {}, 1, {}, {}).write(corpus)
    return replace(planned_run, train=["python", "-c", TRAINING])


def log(run: Run) -> Path:
    return run.save_dir / "train.log"


def when_it_trains(run: Run, *sent: signal.Signals, everybody: bool) -> Thread:
    """Send signals to this process, as SLURM to all processes of a job, or to this one alone."""

    def send() -> None:
        while not (log(run).is_file() and log(run).read_text().endswith("\n")):
            time.sleep(0.01)
        for one in sent:
            if everybody:
                os.kill(int(log(run).read_text()), one)
                time.sleep(0.2)  # the training is gone before this process hears
            os.kill(os.getpid(), one)

    SENDING.append(Thread(target=send))
    SENDING[-1].start()
    return SENDING[-1]


def is_running(run: Run) -> bool:
    return Path("/proc", log(run).read_text().strip()).exists()


def listen(call: CellJob, folder: Path, *, requeues: int) -> JobPaths:
    """Do on SIGUSR2 and SIGTERM what submitit does, as of a job with 90 minutes."""
    paths = JobPaths(folder, "7")
    folder.mkdir()
    submission = DelayedSubmission(call)
    submission.set_timeout(90, requeues)
    submission.dump(paths.submitted_pickle)
    LocalJobEnvironment()._handle_signals(paths, submission)
    return paths


@pytest.mark.parametrize("everybody", [True, False])
def test_before_the_time_is_up_a_job_is_stopped_and_put_back(
    training: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, everybody: bool
) -> None:
    call = CellJob(training)
    paths = listen(call, tmp_path / "submitit", requeues=3)
    sent = when_it_trains(training, signal.SIGUSR2, everybody=everybody)
    at_the_requeue: list[Any] = []

    def requeue(self: Any, countdown: int) -> None:
        at_the_requeue.append((is_running(training), cell_files.in_use(training.save_dir)))
        raise SystemExit(LOCAL_REQUEUE_RETURN_CODE)

    monkeypatch.setattr(LocalJobEnvironment, "_requeue", requeue)
    with pytest.raises(SystemExit) as left:
        call()
    sent.join()
    assert left.value.code == LOCAL_REQUEUE_RETURN_CODE
    assert at_the_requeue == [(False, False)], "all is over before another node may begin"
    assert not (training.save_dir / "failure.txt").exists()
    again = DelayedSubmission.load(paths.submitted_pickle)
    assert (again.function.run, again._timeout_countdown) == (training, 3)


def test_a_job_that_was_put_back_often_enough_is_given_up(
    training: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = CellJob(training)
    listen(call, tmp_path / "submitit", requeues=0)
    monkeypatch.setattr(SignalHandler, "has_timed_out", lambda _: True)
    sent = when_it_trains(training, signal.SIGUSR2, everybody=True)
    with pytest.raises(UncompletedJobError, match="timed-out too many times"):
        call()
    sent.join()
    assert not is_running(training)


@pytest.mark.parametrize("everybody", [True, False])
def test_a_job_that_is_cancelled_leaves_no_outcome(training: Run, everybody: bool) -> None:
    sent = when_it_trains(training, signal.SIGINT, everybody=everybody)
    with pytest.raises(SystemExit, match="stopped from outside"):
        CellJob(training)()
    sent.join()
    assert not is_running(training) and not cell_files.in_use(training.save_dir)
    assert not (training.save_dir / "failure.txt").exists()


class Interrupted(Event):
    """An event that a second Ctrl-C finds in the middle of being set."""

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.times = Lock(), 0

    def set(self) -> None:
        with self.lock:
            self.times += 1
            if self.times == 1:
                signal.raise_signal(signal.SIGINT)
        super().set()


def test_a_signal_on_top_of_another_one_does_not_hang(training: Run) -> None:
    def give_up(*_: Any) -> None:
        raise TimeoutError("a handler waits for itself")

    call = CellJob(training)
    call._stop = Interrupted()
    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    sent = when_it_trains(training, signal.SIGINT, everybody=False)
    try:
        with pytest.raises(SystemExit, match="stopped from outside"):
            call()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    sent.join()
    assert not is_running(training)


def test_an_error_that_nobody_foresaw_is_submitits(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr(job, "run_cell", broken)
    with pytest.raises(ZeroDivisionError, match="by hand"):
        CellJob(planned_run)()


def test_after_sigterm_a_job_waits_to_be_killed_or_put_back(training: Run, tmp_path: Path) -> None:
    call = CellJob(training)
    listen(call, tmp_path / "submitit", requeues=3)
    sent = when_it_trains(training, signal.SIGTERM, everybody=True)

    def put_back() -> None:
        sent.join()
        while is_running(training) or cell_files.in_use(training.save_dir):
            time.sleep(0.01)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGUSR2)

    later = Thread(target=put_back)
    later.start()
    with pytest.raises(SystemExit) as left:
        call()
    later.join()
    assert left.value.code == LOCAL_REQUEUE_RETURN_CODE, "not what a job leaves with by itself"


def test_the_outcome_is_that_of_the_run(planned_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    seen: list[Any] = []

    def fake(run: Run, gpu: str | None, stop: Any) -> Outcome:
        seen.extend((run, gpu, os.environ["CUDA_VISIBLE_DEVICES"], stop.is_set()))
        return Outcome("done", {"bleu": 1.5})

    monkeypatch.setattr(job, "run_cell", fake)
    assert CellJob(planned_run, "GPU-5")() == Outcome("done", {"bleu": 1.5})
    assert seen == [planned_run, "GPU-5", "GPU-5", False]
