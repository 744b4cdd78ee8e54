"""``run``: train and score every cell of a grid, on this machine or as jobs of SLURM."""

from __future__ import annotations

import re
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attn_nmt.command_line import UsageError, at_least, positive
from attn_nmt.study.commands.plan import USAGE, add_plan_options, grid_directory, planned_runs
from attn_nmt.study.flags import one_of, require_known
from attn_nmt.study.grids.runs import Run
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.executors import places, run_locally, run_submitted
from attn_nmt.study.running.run_directory import (
    FAILURE,
    PLAN,
    require_same_commands,
    require_same_data,
    write_json,
)
from attn_nmt.study.tables import Row, render
from attn_nmt.training.save_dir import require_writable

if TYPE_CHECKING:  # submitit is needed for jobs only
    from attn_nmt.study.running.submitit_jobs import SlurmOptions

EXECUTORS = ("local", "slurm", "submitit-local")
Executor = Callable[[Sequence[Run], Path], list[Outcome]]
"""Runs everything, given the directory of the grid, and returns the outcomes in that order."""
_COLUMNS = {"cell": "", "seed": "d", "state": "", "bleu": ".2f", "scored": ""}
_REQUEUES = 10
_MEMORY = re.compile(r"[1-9]\d*[KMGT]B?")
_ADDITIONAL = re.compile(r"(?P<name>[a-z][a-z-]*)(=(?P<value>.+))?", re.DOTALL)
# Options of sbatch that have a flag here, and those that submitit or the plan determines.
_OWN_FLAGS = {
    "array": "--slurm-array-parallelism",
    "cpus-per-task": "--slurm-cpus-per-task",
    "gpus-per-node": "--slurm-gpus-per-node",
    "mem": "--slurm-memory",
    "partition": "--slurm-partition",
    "time": "--slurm-time",
}
_FIXED = ("chdir", "error", "nodes", "ntasks", "ntasks-per-node", "open-mode", "output", "signal")


def add_parser(commands: Any) -> None:
    """Add the parser of ``run`` to the subparsers of the study."""
    parser: ArgumentParser = commands.add_parser(
        "run",
        usage=USAGE,
        help="train and score every cell of a grid; resumes if started again",
        description="Run the commands that `plan` prints, one at a time, one per GPU, or as SLURM "
        "jobs: every cell of a grid with every seed, each in its own directory. A second start "
        "keeps finished runs and resumes interrupted ones. Flags that this command does not know "
        "are passed to `attn-nmt train`. If fewer checkpoints were kept than --average asks "
        "for, the best one is scored.",
        allow_abbrev=False,
    )
    add_executor_options(parser)  # first, since the flags of the models are a long list
    add_plan_options(parser)
    parser.set_defaults(run=run_grid, passes_flags_on=True)


def run_grid(options: Namespace) -> None:
    """Run everything and print the outcomes.

    Raises:
        UsageError: before anything runs, if an option breaks its rule, or a directory belongs to
            another command or to other data; afterwards, if a run failed.
    """
    execute = executor(options)
    require_writable(options.out, "--out")
    runs = planned_runs(options)
    for run in runs:
        require_same_commands(run)
        require_same_data(run)
    directory = grid_directory(options)
    directory.mkdir(parents=True, exist_ok=True)  # if this fails, it is one error, not one per run
    write_json(directory / PLAN, _plan(runs, options.seeds))
    try:
        outcomes = execute(runs, directory)
    except KeyboardInterrupt:  # and SIGTERM
        resume = f"python -m attn_nmt.study {shlex.join(sys.argv[1:])}"
        print(f"finished runs and checkpoints are kept; to resume: {resume}", file=sys.stderr)
        raise
    rows = [_summary(run, outcome) for run, outcome in zip(runs, outcomes, strict=True)]
    print(render(rows, "table", _COLUMNS), end="")
    failures = sum(outcome.state == "failed" for outcome in outcomes)
    if failures:
        raise UsageError(
            f"All {len(outcomes)} runs must succeed, but {failures} failed, as said above and in "
            f"{FAILURE} of their directories."
        )
    print(f"next: {shlex.join(['attn-nmt', 'study', 'report', str(options.out)])}", file=sys.stderr)


def _plan(runs: Sequence[Run], seeds: Sequence[int]) -> dict[str, Any]:
    """Return the cells, the seeds, and the seeds of cells that have fewer."""
    by_cell: dict[str, list[int]] = {}
    for run in runs:
        by_cell.setdefault(run.cell.name, []).append(run.seed)
    fewer = {cell: own for cell, own in by_cell.items() if len(own) < len(seeds)}
    return {"cells": list(by_cell), "seeds": seeds, **({"seeds_of": fewer} if fewer else {})}


def _summary(run: Run, outcome: Outcome) -> Row:
    row: Row = {"cell": run.cell.name, "seed": run.seed, "state": outcome.state}
    result = outcome.result
    if result is None:
        return {**row, "bleu": None, "scored": None}
    checkpoints = result["checkpoints"]
    scored = f"mean of {len(checkpoints)}" if result["averaged"] else str(checkpoints[0])
    return {**row, "bleu": result["scores"]["bleu"], "scored": scored}


def add_executor_options(parser: ArgumentParser) -> None:
    """Add ``--executor`` and the flags of SLURM, which stay None if they are not given."""
    parser.add_argument(
        "--executor",
        type=one_of("--executor", EXECUTORS),
        default="local",
        help="local: on this machine; slurm: one job per run, in a job array; submitit-local: the "
        "same jobs as processes on this machine; default: local",
    )
    parser.add_argument(
        "--parallel",
        metavar="N",
        type=positive("--parallel"),
        help="how many runs at a time on each GPU, or on the CPU, where each should have its own "
        "cores (OMP_NUM_THREADS); not with slurm; default: 1",
    )
    slurm = parser.add_argument_group(
        "SLURM, with --executor slurm",
        "Every node must see the data, RUNS and this package under the same paths. The command "
        "waits and shows the progress of the jobs; Ctrl-C cancels them. If it is killed or loses "
        "its terminal, they continue.",
    )
    slurm.add_argument(
        "--slurm-time",
        metavar="MINUTES",
        type=positive("--slurm-time, in minutes,"),
        help="time limit of a job; required. A run that needs more is requeued and resumes from "
        "its last checkpoint",
    )
    slurm.add_argument(
        "--slurm-requeues",
        metavar="N",
        type=at_least(0, "--slurm-requeues"),
        help=f"how often a run may be requeued; default: {_REQUEUES}",
    )
    slurm.add_argument("--slurm-partition", metavar="NAME", help="default: SLURM's")
    slurm.add_argument(
        "--slurm-array-parallelism",
        metavar="N",
        type=positive("--slurm-array-parallelism"),
        help="how many jobs of the array may run at a time; default: 256",
    )
    slurm.add_argument(
        "--slurm-gpus-per-node",
        metavar="N",
        type=at_least(0, "--slurm-gpus-per-node"),
        help="GPUs of a job, which has one node; default: 1, or 0 with --cpu",
    )
    slurm.add_argument(
        "--slurm-cpus-per-task",
        metavar="N",
        type=positive("--slurm-cpus-per-task"),
        help="cores of a job; default: SLURM's",
    )
    slurm.add_argument(
        "--slurm-memory",
        metavar="SIZE",
        type=_memory,
        help="of a job, such as 32G; default: SLURM's",
    )
    slurm.add_argument(
        "--slurm-additional",
        metavar="NAME[=VALUE]",
        nargs="+",
        type=_additional,
        action="extend",
        help="other options of sbatch, without dashes: account=me qos=long",
    )


def executor(options: Namespace) -> Executor:
    """Return the executor that the options choose.

    Raises:
        UsageError: if a flag of SLURM is missing, misspelt or given to another executor; or if
            submitit or SLURM is not installed.
    """
    _require_only_with_slurm(options)
    if options.executor == "local":
        return lambda runs, _: run_locally(runs, places(runs, options.parallel or 1))
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"--executor {options.executor} must find submitit, which comes with the extra `study` "
            "(pip install 'attn_nmt[study]'), but it is not installed."
        ) from error
    from attn_nmt.study.running.submitit_jobs import LocalQueue, SlurmQueue, require_slurm

    if options.executor == "submitit-local":
        return lambda runs, directory: run_submitted(
            runs, LocalQueue(directory, places(runs, options.parallel or 1))
        )
    slurm = slurm_options(options)
    require_slurm()
    return lambda runs, directory: run_submitted(runs, SlurmQueue(directory, slurm))


def slurm_options(options: Namespace) -> SlurmOptions:
    """Return what is requested from SLURM.

    Raises:
        UsageError: if there is no time limit.
    """
    from attn_nmt.study.running.submitit_jobs import SlurmOptions

    if options.slurm_time is None:
        raise UsageError("--slurm-time must be given with --executor slurm, but is not.")
    requeues, gpus = options.slurm_requeues, options.slurm_gpus_per_node
    return SlurmOptions(
        minutes=options.slurm_time,
        requeues=_REQUEUES if requeues is None else requeues,
        parallelism=options.slurm_array_parallelism,
        gpus=int("--cpu" not in options.more) if gpus is None else gpus,
        cpus=options.slurm_cpus_per_task,
        memory=options.slurm_memory,
        partition=options.slurm_partition,
        additional=dict(options.slurm_additional or ()),
    )


def _require_only_with_slurm(options: Namespace) -> None:
    """Refuse flags of SLURM that another executor would ignore, and misspelt ones.

    Raises:
        UsageError: with the flag.
    """
    flags = {
        "--" + name.replace("_", "-"): value
        for name, value in vars(options).items()
        if name.startswith("slurm_")
    }
    for word in options.more:  # which would be passed to the training
        if word.startswith("--slurm-"):
            require_known("a flag of SLURM", word.partition("=")[0], flags)
    if options.parallel is not None and options.executor == "slurm":
        raise UsageError(
            "--parallel must be left out with --executor slurm, which has "
            f"--slurm-array-parallelism, but is {options.parallel}."
        )
    for flag, value in flags.items():
        if value is not None and options.executor != "slurm":
            raise UsageError(
                f"{flag} must be given with --executor slurm, but that is {options.executor}."
            )


def _memory(text: str) -> str:
    if not _MEMORY.fullmatch(text):
        raise UsageError(
            f"--slurm-memory must be a number with a unit, K, M, G or T, but is {text!r}."
        )
    return text


def _additional(text: str) -> tuple[str, str | bool]:
    """Read an option of sbatch; those with a flag of their own, and fixed ones, are refused."""
    match = _ADDITIONAL.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--slurm-additional must be options of sbatch as NAME or NAME=VALUE, but has {text!r}."
        )
    name = match["name"]
    if name in _OWN_FLAGS:
        raise UsageError(
            f"--slurm-additional must leave {name} to {_OWN_FLAGS[name]}, but has {text!r}."
        )
    if name in _FIXED:
        raise UsageError(f"--slurm-additional must not change {name}, but has {text!r}.")
    return name, match["value"] or True
