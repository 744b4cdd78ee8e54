"""The flags of a training that a grid may set: those of fairseq-train and of train.sh."""

from __future__ import annotations

from argparse import Action, ArgumentParser, _StoreAction, _StoreTrueAction
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import fairseq.tasks.translation  # noqa: F401  registers the task
from fairseq import options as fairseq_options
from fairseq.registry import REGISTRIES
from fairseq.tasks import TASK_REGISTRY

from attn_nmt.command_line import UsageError
from attn_nmt.training import options as training_options

DRY_RUN = "--dry-run"
RESERVED_FLAGS = (
    "--arch",
    "-a",
    "--seed",
    "--save-dir",
    "--user-dir",
    "--nodes",
    "--node-rank",
    "--master",
    DRY_RUN,
)
"""Set by the plan, different on each node, or of no training: ``plan`` is the dry run of a grid."""
_COMMAND_LINE_ONLY = ("--cpu",)
"""Of the machine, not of a model; the executors look for it there."""


@cache
def training_flags() -> dict[str, Action]:
    """Return what a grid may set, by name: the flag without dashes, with underscores."""
    return {
        action.dest: action
        for flag, action in _options().items()
        if flag == _flag(action.dest)
        and not is_reserved(action.dest)
        and isinstance(action, _StoreAction | _StoreTrueAction)
    }


def value_type(name: str) -> type | None:
    """Return bool, int or float; None if the flag takes text, or a number that reads as such."""
    action = training_flags()[name]
    if isinstance(action, _StoreTrueAction):
        return bool
    return action.type if action.type in (int, float) else None


def is_reserved(name: str) -> bool:
    """Whether the plan or the command line alone sets the flag of this name."""
    return _flag(name) in (*RESERVED_FLAGS, *_COMMAND_LINE_ONLY)


def require_unset(grid_flags: Mapping[str, Any], words: Sequence[str]) -> None:
    """Refuse a flag of the command line that would override one that the grid sets.

    Args:
        grid_flags: by name, those of a cell.
        words: those of the command line.

    Raises:
        UsageError: with the flag, or a shorter name of it, as it was given.
    """
    for word in words:
        action = _options().get(word.partition("=")[0])
        if action is not None and action.dest in grid_flags:
            raise UsageError(f"{word} must be left out where the grid sets it, but is given.")


@cache
def _options() -> dict[str, Action]:
    """Return every flag of every optimizer, scheduler and criterion, and those of train.sh."""
    common = fairseq_options.get_training_parser()
    # Several optimizers have a --weight-decay.
    parser = ArgumentParser(parents=[common], add_help=False, conflict_handler="resolve")
    TASK_REGISTRY["translation"].add_args(parser)
    for name in ("optimizer", "lr_scheduler", "criterion"):
        for choice in REGISTRIES[name]["registry"].values():
            choice.add_args(parser)
    special = parser._option_string_actions
    return {**special, **common._option_string_actions, **training_options.flags()}


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
