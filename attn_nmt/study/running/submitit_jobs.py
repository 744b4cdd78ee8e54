"""Runs as jobs of submitit: the call that each job makes, and the queues they are submitted to."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from types import FrameType

from submitit import Job, LocalExecutor, SlurmExecutor
from submitit.core.utils import FailedJobError
from submitit.helpers import DelayedSubmission, clean_env

from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.runs import Run
from attn_nmt.study.running.cell import Outcome, Stopped, run_cell

DIRECTORY = ".submitit"
"""In the directory of the grid: the submitted jobs, their results and logs."""
_SLURM_COMMANDS = ("sbatch", "srun", "sacct", "scancel", "scontrol")
_NO_TIME_LIMIT = 60 * 24 * 3650  # minutes
_KILL_TIMEOUT = 600.0
_STDERR = 2
_PACKAGE = Path(__file__).parents[2]


class CellJob:
    """A call that trains and scores one run, and that can be requeued.

    The work is done in a thread, so that the signal handlers, which Python calls in the main
    thread, can stop it and wait for it. A signal may arrive while another one is being handled:
    handlers therefore only put it into a SimpleQueue, which is reentrant, whereas an Event would
    deadlock; a third thread sets the event.
    """

    def __init__(self, run: Run, gpu: str | None = None) -> None:
        """Store what is sent to the node; ``gpu`` is that of ``run_cell``."""
        self.run, self.gpu = run, gpu
        self._stop = Event()
        self._signals: SimpleQueue[int] = SimpleQueue()
        self._last_signal: int | None = None
        self._worker: Thread | None = None
        self._outcome: Future[Outcome] = Future()

    def __reduce__(self) -> tuple[type[CellJob], tuple[Run, str | None]]:
        return CellJob, (self.run, self.gpu)

    def __call__(self) -> Outcome:
        """Return the outcome of the run; exit without one if the job was stopped."""
        if self.gpu is not None:  # environment.json describes the device of this process
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpu
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        Thread(target=self._stop_on_signal, daemon=True).start()
        worker = Thread(target=self._work)
        worker.start()
        self._worker = worker
        worker.join()
        try:
            return self._outcome.result()
        except Stopped:
            if self._last_signal == signal.SIGTERM:
                # SLURM preempts with SIGTERM, then SIGUSR2 or SIGKILL. A job that exits by itself
                # would not be requeued.
                Event().wait(_KILL_TIMEOUT)
            raise SystemExit("stopped from outside") from None

    def checkpoint(self) -> DelayedSubmission:
        """Stop the work and return what is requeued; it resumes from fairseq's last checkpoint.

        submitit calls this on SIGUSR2, which SLURM sends before the time limit or a preemption.
        """
        self._signals.put(signal.SIGUSR2)
        if self._worker is not None:
            self._worker.join()
        return DelayedSubmission(self)

    def _work(self) -> None:
        try:
            self._outcome.set_result(run_cell(self.run, self.gpu, self._stop))
        except BaseException as error:  # raised again in the main thread, for submitit
            self._outcome.set_exception(error)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._last_signal = signum
        self._signals.put(signum)

    def _stop_on_signal(self) -> None:
        self._signals.get()
        self._stop.set()


@dataclass(frozen=True)
class SlurmOptions:
    """What is requested from SLURM for each run."""

    minutes: int
    requeues: int
    """How often a job that reached its time limit is requeued."""
    parallelism: int | None = None
    """How many jobs of the array may run at a time; None for no limit."""
    gpus: int = 1
    cpus: int | None = None
    memory: str | None = None
    """With its unit, as 32G."""
    partition: str | None = None
    additional: dict[str, str | bool] = field(default_factory=dict)
    """Other options of sbatch, without dashes; True for a switch."""


def require_slurm() -> None:
    """Refuse a machine without SLURM.

    Raises:
        UsageError: with the command that is missing.
    """
    for command in _SLURM_COMMANDS:
        if shutil.which(command) is None:
            raise UsageError(
                "--executor slurm must be given where SLURM's commands are, "
                f"but {command} is not on the PATH."
            )


class SlurmQueue:
    """SLURM: all runs at once as one job array, one node and one task each."""

    def __init__(self, directory: Path, options: SlurmOptions) -> None:
        """``directory`` is that of the grid, which every node must see."""
        _keep_stdout_clean()
        self._executor = SlurmExecutor(directory / DIRECTORY, max_num_timeout=options.requeues)
        self._executor.update_parameters(**_sbatch_parameters(directory, options))

    def submit(self, runs: Sequence[Run]) -> list[Job[Outcome]]:
        """Submit all of the runs.

        Raises:
            UsageError: with the message of sbatch, if it refuses them.
        """
        try:
            # A job submitted from within a job would inherit the requests of that job.
            with clean_env() if "SLURM_JOB_ID" in os.environ else nullcontext():
                return self._executor.submit_array([CellJob(run) for run in runs])
        except FailedJobError as error:
            raise UsageError(f"sbatch must accept the jobs, but says: {error}") from error


def _sbatch_parameters(directory: Path, options: SlurmOptions) -> dict[str, object]:
    """Return what submitit writes as ``#SBATCH`` lines, without those that are None."""
    path = os.pathsep.join([str(_PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    parameters = {
        "job_name": f"attn_nmt-{directory.name}",
        "time": options.minutes,
        "partition": options.partition,
        "mem": options.memory,
        "gpus_per_node": options.gpus or None,
        "cpus_per_task": options.cpus,
        "nodes": 1,
        "ntasks_per_node": 1,
        "array_parallelism": options.parallelism,
        "additional_parameters": options.additional,
        # The code that submits is the code that runs, even if sbatch exports no variables.
        "setup": [f"export PYTHONPATH={shlex.quote(path)}"],
    }
    return {name: value for name, value in parameters.items() if value is not None}


class LocalQueue:
    """Processes on this machine, one per GPU at a time, without a time limit."""

    def __init__(self, directory: Path, gpus: Sequence[str | None]) -> None:
        """``directory`` is that of the grid, ``gpus`` are those of ``run_locally``."""
        _keep_stdout_clean()
        self._executor = LocalExecutor(directory / DIRECTORY)
        self._executor.update_parameters(timeout_min=_NO_TIME_LIMIT)
        self._slots: list[tuple[str | None, Job[Outcome] | None]] = [(gpu, None) for gpu in gpus]

    def submit(self, runs: Sequence[Run]) -> list[Job[Outcome]]:
        """Submit one of the runs if a GPU is free."""
        for n, (gpu, previous) in enumerate(self._slots):
            if previous is None or previous.done():
                with _stderr_to(self._executor.folder / "processes.log"):
                    job = self._executor.submit(CellJob(runs[0], gpu))
                self._slots[n] = gpu, job
                return [job]
        return []


@contextmanager
def _stderr_to(log: Path) -> Iterator[None]:
    """Redirect the standard error of processes that are started in the block to a log.

    The processes that submitit starts to control the jobs would print tracebacks on Ctrl-C.
    """
    original = os.dup(_STDERR)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), _STDERR)
        yield
    finally:
        os.dup2(original, _STDERR)
        os.close(original)


def _keep_stdout_clean() -> None:
    """Remove submitit's log from stdout, which is for the table; warnings go to stderr, once."""
    log = logging.getLogger("submitit")
    log.propagate = False
    log.handlers = [handler for handler in log.handlers if handler.name != "submitit_out"]
