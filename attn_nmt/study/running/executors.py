"""All runs of a plan: in threads of this process, or as jobs of a queue."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Protocol

import torch

from attn_nmt.child_processes import interrupts_delayed
from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.runs import Run
from attn_nmt.study.running.cell import Outcome, StepFailed, failed, finished, run_cell
from attn_nmt.study.running.progress import show_progress
from attn_nmt.study.running.run_directory import in_use
from attn_nmt.training.command import flag_value

if TYPE_CHECKING:  # submitit is needed for jobs only
    from submitit import Job

_STATUS_INTERVAL = 60.0
_STOP_TIMEOUT = 60.0


def places(runs: Sequence[Run], per_device: int = 1) -> list[str | None]:
    """Return where runs may be at the same time: the name of a GPU each, None for the CPU.

    Args:
        runs: all of them; with ``--cpu`` they use no GPU.
        per_device: how many may be on one GPU, or on the CPU.
    """
    return [device for device in _devices(runs) for _ in range(per_device)]


def _devices(runs: Sequence[Run]) -> list[str | None]:
    if any(flag_value(run.train, "--cpu") is not None for run in runs):
        return [None]
    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(number) for number in range(count)]
    return [*names[:count]] or [None]


def run_locally(runs: Sequence[Run], gpus: Sequence[str | None]) -> list[Outcome]:
    """Run everything, one run per place at a time; return the outcomes in the order of the runs.

    An interrupt stops the running runs, waits for them, and starts no other.
    """
    free: SimpleQueue[str | None] = SimpleQueue()
    for gpu in gpus:
        free.put(gpu)
    stop = Event()

    def work(run: Run) -> Outcome:
        gpu = free.get()
        try:
            return run_cell(run, gpu, stop)
        finally:
            free.put(gpu)

    pool = ThreadPoolExecutor(len(gpus))
    try:
        futures = [pool.submit(work, run) for run in runs]
        show_progress(runs, futures)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


class JobQueue(Protocol):
    """Where jobs are submitted."""

    def submit(self, runs: Sequence[Run]) -> list[Job[Outcome]]:
        """Submit the first of the runs, as many as there is room for; return a job for each."""


def run_submitted(runs: Sequence[Run], queue: JobQueue) -> list[Outcome]:
    """Submit every run that is not finished; return all outcomes in the order of the runs.

    An interrupt cancels the submitted jobs and waits for them.

    Raises:
        UsageError: if the queue refuses the jobs.
    """
    monitor = _JobMonitor(runs, queue)
    try:
        show_progress(runs, monitor.futures, monitor.poll)
    finally:
        monitor.cancel()
    return [future.result() for future in monitor.futures]


class _JobMonitor:
    """The runs, the jobs submitted for them, and a future for the outcome of each."""

    def __init__(self, runs: Sequence[Run], queue: JobQueue) -> None:
        self.futures: list[Future[Outcome]] = [Future() for _ in runs]
        self._queue = queue
        self._waiting: list[tuple[Run, Future[Outcome]]] = []
        self._submitted: list[tuple[Run, Future[Outcome], Job[Outcome]]] = []
        self._last_status = time.monotonic()
        for run, future in zip(runs, self.futures, strict=True):
            try:
                outcome = finished(run)
            except UsageError as error:
                outcome = Outcome("failed", problem=str(error))
            if outcome is None:
                self._waiting.append((run, future))
            else:
                future.set_result(outcome)

    def poll(self) -> None:
        """Submit as many runs as there is room for, and update the futures."""
        if self._waiting:
            # An interrupt must find every job that it is to cancel.
            with interrupts_delayed():
                jobs = self._queue.submit([run for run, _ in self._waiting])
                pairs, self._waiting = self._waiting[: len(jobs)], self._waiting[len(jobs) :]
                self._submitted += [(*pair, job) for pair, job in zip(pairs, jobs, strict=True)]
        self._update_status()
        for run, future, job in self._unfinished():
            if job.done():
                future.set_result(_outcome(run, job))
            elif job.state == "RUNNING" and not future.running():
                future.set_running_or_notify_cancel()

    def cancel(self) -> None:
        """Cancel every unfinished job and wait until none works in its directory."""
        unfinished = self._unfinished()
        if not unfinished:
            return
        count = len(unfinished)
        print(f"cancelling {count} job{'s' if count > 1 else ''}", file=sys.stderr)
        for _, _, job in unfinished:
            job.cancel(check=False)
        deadline = time.monotonic() + _STOP_TIMEOUT
        while any(in_use(run.save_dir) for run, _, _ in unfinished) and time.monotonic() < deadline:
            time.sleep(0.1)

    def _unfinished(self) -> list[tuple[Run, Future[Outcome], Job[Outcome]]]:
        return [entry for entry in self._submitted if not entry[1].done()]

    def _update_status(self) -> None:
        """Make submitit query the states of all jobs; by itself it does so ever more rarely."""
        unfinished = self._unfinished()
        if unfinished and time.monotonic() - self._last_status > _STATUS_INTERVAL:
            unfinished[0][2].get_info(mode="force")
            self._last_status = time.monotonic()


def _outcome(run: Run, job: Job[Outcome]) -> Outcome:
    """Return the outcome that a job returned; a job that died without one is a failure."""
    from submitit.core.utils import UncompletedJobError  # see above

    try:
        return job.result()
    except UncompletedJobError as error:
        text = f"Job {job.job_id} must return a result, but returned none and is {job.state}"
        return failed(run, StepFailed(f"{text}; see {job.paths.stderr}.\n\n{error}"))
