"""The queues that jobs are sent to: SLURM's, and submitit's processes on this machine."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from submitit import Job, LocalExecutor, SlurmExecutor
from submitit.core.utils import FailedJobError
from submitit.helpers import clean_env

from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.job import CellJob

FOLDER = ".submitit"
"""In the folder of the grid: what was submitted, and what the jobs said, beside their logs."""
_COMMANDS = ("sbatch", "srun", "sacct", "scancel", "scontrol")
_MINUTES_WITHOUT_LIMIT = 60 * 24 * 3650
_STDERR = 2
_PACKAGE = Path(__file__).parents[2]


@dataclass(frozen=True)
class SlurmOptions:
    """What SLURM is asked for, for each run."""

    minutes: int
    requeues: int
    """How often a job that ran out of time is put back into the queue."""
    parallelism: int | None = None
    """Jobs of the array that run at a time; None for all that SLURM has room for."""
    gpus: int = 1
    cpus: int | None = None
    memory: str | None = None
    """With its unit, as 32G."""
    partition: str | None = None
    additional: dict[str, str | bool] = field(default_factory=dict)
    """Any other option of sbatch, without its dashes; True for a switch."""


def require_slurm() -> None:
    """Refuse a machine without SLURM.

    Raises:
        UsageError: with the command that is missing.
    """
    for command in _COMMANDS:
        if shutil.which(command) is None:
            raise UsageError(
                "--executor slurm must be given where SLURM's commands are, "
                f"but {command} is not on the PATH."
            )


class SlurmQueue:
    """SLURM: all runs at once as one job array, one node and one task each."""

    def __init__(self, folder: Path, options: SlurmOptions) -> None:
        """``folder`` is that of the grid, which every node must see."""
        _keep_stdout()
        self._executor = SlurmExecutor(folder / FOLDER, max_num_timeout=options.requeues)
        self._executor.update_parameters(**_parameters(folder, options))

    def submit(self, runs: Sequence[Run]) -> list[Job[Outcome]]:
        """Send all of the runs.

        Raises:
            UsageError: with what sbatch says, if it refuses them.
        """
        try:
            # A job that is submitted from within a job would inherit what that one asked for.
            with clean_env() if "SLURM_JOB_ID" in os.environ else nullcontext():
                return self._executor.submit_array([CellJob(run) for run in runs])
        except FailedJobError as error:
            raise UsageError(f"sbatch must take the jobs, but says: {error}") from error


class LocalQueue:
    """submitit's processes on this machine, one at a time or one a GPU, without a time limit."""

    def __init__(self, folder: Path, gpus: Sequence[str | None]) -> None:
        """``gpus`` are as of ``run_locally``."""
        _keep_stdout()
        self._executor = LocalExecutor(folder / FOLDER)
        self._executor.update_parameters(timeout_min=_MINUTES_WITHOUT_LIMIT)
        self._jobs: list[tuple[str | None, Job[Outcome] | None]] = [(gpu, None) for gpu in gpus]

    def submit(self, runs: Sequence[Run]) -> list[Job[Outcome]]:
        """Send one of the runs if a GPU is free."""
        for n, (gpu, before) in enumerate(self._jobs):
            if before is None or before.done():
                with _errors_in(self._executor.folder / "processes.log"):
                    job = self._executor.submit(CellJob(runs[0], gpu))
                self._jobs[n] = gpu, job
                return [job]
        return []


def _parameters(folder: Path, options: SlurmOptions) -> dict[str, object]:
    """Return what submitit makes lines of ``#SBATCH`` of; None is left out."""
    path = os.pathsep.join([str(_PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    parameters = {
        "job_name": f"attn_nmt-{folder.name}",
        "time": options.minutes,
        "partition": options.partition,
        "mem": options.memory,
        "gpus_per_node": options.gpus or None,
        "cpus_per_task": options.cpus,
        "nodes": 1,
        "ntasks_per_node": 1,
        "array_parallelism": options.parallelism,
        "additional_parameters": options.additional,
        # The code that submits is the code that runs, also where sbatch hands no variables on.
        "setup": [f"export PYTHONPATH={shlex.quote(path)}"],
    }
    return {name: value for name, value in parameters.items() if value is not None}


@contextmanager
def _errors_in(log: Path) -> Iterator[None]:
    """Start processes whose standard error goes to the log.

    Those that submitit puts in charge of jobs would tell the terminal at length of a Ctrl-C.
    """
    before = os.dup(_STDERR)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), _STDERR)
        yield
    finally:
        os.dup2(before, _STDERR)
        os.close(before)


def _keep_stdout() -> None:
    """Keep submitit's log from stdout, which is for the table; its warnings go to stderr, once."""
    log = logging.getLogger("submitit")
    log.propagate = False
    log.handlers = [handler for handler in log.handlers if handler.name != "submitit_out"]
