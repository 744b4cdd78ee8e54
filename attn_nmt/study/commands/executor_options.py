"""Where ``run`` runs: the options, and the executor that they choose."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from attn_nmt.command_line import UsageError
from attn_nmt.study.commands.slurm_options import (
    add_slurm_options,
    require_only_with_slurm,
    slurm_options,
)
from attn_nmt.study.grids.plan import Run
from attn_nmt.study.grids.settings import one_of
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.local import run_locally, visible_gpus

EXECUTORS = ("local", "slurm", "submitit-local")
Executor = Callable[[Sequence[Run], Path], list[Outcome]]
"""Runs everything, given the folder of the grid, and returns how it ended, in that order."""


def add_executor_options(parser: ArgumentParser) -> None:
    """Add ``--executor`` and what SLURM can be asked for."""
    parser.add_argument(
        "--executor",
        type=one_of("--executor", EXECUTORS),
        default="local",
        help="local: this machine; slurm: a job array, each run a job; submitit-local: the same "
        "jobs as processes of this machine; local",
    )
    add_slurm_options(parser)


def executor(options: Namespace) -> Executor:
    """Return what runs the runs.

    Raises:
        UsageError: if an option of SLURM is missing, misspelt or given to another executor; or if
            submitit or SLURM is not there.
    """
    require_only_with_slurm(options)
    if options.executor == "local":
        return lambda runs, _: run_locally(runs, visible_gpus(runs))
    _require_submitit(options.executor)
    # Only here, so that everything else works without submitit.
    from attn_nmt.study.running.queues import LocalQueue, SlurmQueue, require_slurm
    from attn_nmt.study.running.submitted import run_submitted

    if options.executor == "submitit-local":
        return lambda runs, folder: run_submitted(runs, LocalQueue(folder, visible_gpus(runs)))
    asked = slurm_options(options)
    require_slurm()
    return lambda runs, folder: run_submitted(runs, SlurmQueue(folder, asked))


def _require_submitit(name: str) -> None:
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"--executor {name} must find submitit, which comes with the extra `study` "
            "(pip install 'attn_nmt[study]'), but it is not installed."
        ) from error
