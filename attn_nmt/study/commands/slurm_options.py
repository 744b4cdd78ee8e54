"""What SLURM can be asked for on the command line of ``run``."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attn_nmt.command_line import UsageError, at_least, positive
from attn_nmt.study.grids.settings import require_known

if TYPE_CHECKING:
    from attn_nmt.study.running.queues import SlurmOptions

REQUEUES = 10
_PREFIX = "--slurm-"
_MEMORY = re.compile(r"[1-9]\d*[KMGT]B?")
_ADDITIONAL = re.compile(r"(?P<name>[a-z][a-z-]*)(=(?P<value>.+))?", re.DOTALL)
_SET_ELSEWHERE = {
    "array": "--slurm-array-parallelism",
    "cpus-per-task": "--slurm-cpus-per-task",
    "gpus-per-node": "--slurm-gpus-per-node",
    "mem": "--slurm-memory",
    "partition": "--slurm-partition",
    "time": "--slurm-time",
}
_FIXED = (
    "chdir",
    "error",
    "nodes",
    "ntasks",
    "ntasks-per-node",
    "open-mode",
    "output",
    "signal",
)


def add_slurm_options(parser: ArgumentParser) -> None:
    """Add them; what is left out stays None."""
    group = parser.add_argument_group(
        "SLURM, with --executor slurm",
        "Every node must find the data, RUNS and this package in the same folders. The command "
        "waits and shows how far the jobs are; Ctrl-C cancels them. If it is killed or loses its "
        "terminal, they go on.",
    )
    for name, metavar, read, text in _flags():
        group.add_argument(f"{_PREFIX}{name}", metavar=metavar, type=read, help=text)
    group.add_argument(
        "--slurm-additional",
        metavar="NAME[=VALUE]",
        nargs="+",
        type=_additional,
        action="extend",
        help="other options of sbatch, without their dashes: account=me qos=long",
    )


def _flags() -> tuple[tuple[str, str, Callable[[str], Any], str], ...]:
    return (
        (
            "time",
            "MINUTES",
            positive("--slurm-time, in minutes,"),
            "of a job; must be given. A run that needs more is put back into the queue, and "
            "resumes from its last checkpoint",
        ),
        (
            "requeues",
            "N",
            at_least(0, "--slurm-requeues"),
            f"how often that may happen to a run; {REQUEUES}",
        ),
        ("partition", "NAME", str, "left out, SLURM chooses"),
        (
            "array-parallelism",
            "N",
            positive("--slurm-array-parallelism"),
            "jobs of the array that run at a time; 256",
        ),
        (
            "gpus-per-node",
            "N",
            at_least(0, "--slurm-gpus-per-node"),
            "GPUs of a job, which has one node; 1, or 0 with --cpu",
        ),
        (
            "cpus-per-task",
            "N",
            positive("--slurm-cpus-per-task"),
            "cores of a job; left out, SLURM chooses",
        ),
        ("memory", "SIZE", _memory, "of a job, as 32G; left out, SLURM chooses"),
    )


def slurm_options(options: Namespace) -> SlurmOptions:
    """Return what SLURM is to be asked for.

    Raises:
        UsageError: if there is no time.
    """
    from attn_nmt.study.running.queues import SlurmOptions

    if options.slurm_time is None:
        raise UsageError("--slurm-time must be given with --executor slurm, but is not.")
    requeues, gpus = options.slurm_requeues, options.slurm_gpus_per_node
    return SlurmOptions(
        minutes=options.slurm_time,
        requeues=REQUEUES if requeues is None else requeues,
        parallelism=options.slurm_array_parallelism,
        gpus=int("--cpu" not in options.more) if gpus is None else gpus,
        cpus=options.slurm_cpus_per_task,
        memory=options.slurm_memory,
        partition=options.slurm_partition,
        additional=dict(options.slurm_additional or ()),
    )


def require_only_with_slurm(options: Namespace) -> None:
    """Refuse what another executor would ignore, and what is no flag of SLURM here.

    Raises:
        UsageError: naming the flag.
    """
    known = {
        "--" + name.replace("_", "-"): value
        for name, value in vars(options).items()
        if name.startswith("slurm_")
    }
    for word in options.more:  # which would go to the training
        if word.startswith(_PREFIX):
            require_known("a flag of SLURM", word.partition("=")[0], known)
    for flag, value in known.items():
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
    """Read what has no flag here; what has one, or is not to be changed, is refused."""
    found = _ADDITIONAL.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--slurm-additional must be options of sbatch as NAME or NAME=VALUE, but has {text!r}."
        )
    name = found["name"]
    if name in _SET_ELSEWHERE:
        raise UsageError(
            f"--slurm-additional must leave {name} to {_SET_ELSEWHERE[name]}, but has {text!r}."
        )
    if name in _FIXED:
        raise UsageError(f"--slurm-additional must not change {name}, but has {text!r}.")
    return name, found["value"] or True
