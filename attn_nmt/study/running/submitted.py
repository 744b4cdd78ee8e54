"""Runs as jobs of submitit: sent, watched, cancelled by an interrupt."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from submitit import Job
from submitit.core.utils import UncompletedJobError

from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running import cell_files as files
from attn_nmt.study.running.cell import Outcome, StepFailed, failed, finished
from attn_nmt.study.running.progress import show

_SECONDS_BETWEEN_QUESTIONS = 60.0
_SECONDS_TO_STOP = 60.0


class Queue(Protocol):
    """Where jobs are sent to."""

    def submit(self, runs: Sequence[Run]) -> list[Job[Outcome]]:
        """Send the first of the runs, as many as there is room for, and return a job for each."""


def run_submitted(runs: Sequence[Run], queue: Queue) -> list[Outcome]:
    """Run everything that is not finished and return how it ended, in the order of the runs.

    An interrupt cancels what was sent and waits until it has stopped.

    Raises:
        UsageError: if the queue refuses the jobs.
    """
    watch = _Watch(runs, queue)
    try:
        show(runs, watch.futures, watch.look)
    finally:
        watch.cancel()
    return [future.result() for future in watch.futures]


class _Watch:
    """The runs, the jobs that were sent, and what is known of them."""

    def __init__(self, runs: Sequence[Run], queue: Queue) -> None:
        self.futures: list[Future[Outcome]] = [Future() for _ in runs]
        self._queue = queue
        self._waiting: list[tuple[Run, Future[Outcome]]] = []
        self._sent: list[tuple[Run, Future[Outcome], Job[Outcome]]] = []
        self._asked = time.monotonic()
        for run, future in zip(runs, self.futures, strict=True):
            outcome = _before(run)
            if outcome is None:
                self._waiting.append((run, future))
            else:
                future.set_result(outcome)

    def look(self) -> None:
        """Send what there is room for, and hear how far everything is."""
        if self._waiting:
            with _interrupts_later():  # which has to know what it is to cancel
                jobs = self._queue.submit([run for run, _ in self._waiting])
                sent, self._waiting = self._waiting[: len(jobs)], self._waiting[len(jobs) :]
                self._sent += [(*pair, job) for pair, job in zip(sent, jobs, strict=True)]
        self._ask()
        for run, future, job in self._open():
            if job.done():
                future.set_result(_outcome(run, job))
            elif job.state == "RUNNING" and not future.running():
                future.set_running_or_notify_cancel()

    def cancel(self) -> None:
        """Cancel every job that has not ended, and wait until nothing works in its folder."""
        left = self._open()
        if not left:
            return
        print(f"cancelling {len(left)} job{'s' if len(left) > 1 else ''}", file=sys.stderr)
        for _, _, job in left:
            job.cancel(check=False)
        end = time.monotonic() + _SECONDS_TO_STOP
        while any(files.in_use(run.save_dir) for run, _, _ in left) and time.monotonic() < end:
            time.sleep(0.1)

    def _open(self) -> list[tuple[Run, Future[Outcome], Job[Outcome]]]:
        return [entry for entry in self._sent if not entry[1].done()]

    def _ask(self) -> None:
        """Have submitit ask for the states of all jobs; left alone it asks more and more rarely."""
        left = self._open()
        if left and time.monotonic() - self._asked > _SECONDS_BETWEEN_QUESTIONS:
            left[0][2].get_info(mode="force")
            self._asked = time.monotonic()


def _before(run: Run) -> Outcome | None:
    try:
        return finished(run)
    except UsageError as error:
        return Outcome("failed", problem=str(error))


def _outcome(run: Run, job: Job[Outcome]) -> Outcome:
    """Return what a job left; one that died without a result is a failure of its run."""
    try:
        return job.result()
    except UncompletedJobError as error:
        text = f"Job {job.job_id} must leave a result, but left none and is {job.state}"
        return failed(run, StepFailed(f"{text}; see {job.paths.stderr}.\n\n{error}"))


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait for the end of the block."""
    heard: list[int] = []

    def remember(signum: int, frame: FrameType | None) -> None:
        heard.append(signum)

    before = {sent: signal.signal(sent, remember) for sent in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for sent, handler in before.items():
            signal.signal(sent, handler)
        if heard:
            signal.raise_signal(heard[0])
