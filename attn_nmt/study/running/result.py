"""The result of a finished run: what it was, what it scored, how fast it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from attn_nmt.averaging import last_by_update_or_epoch as choose_last
from attn_nmt.checkpoints import LAST, find_checkpoint, load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.study.costs.model import mechanisms
from attn_nmt.study.costs.rows import GIGA
from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running.cell_files import TRAIN_LOG
from attn_nmt.study.running.training_log import tokens_per_second

LENGTH = 50
"""Tokens of each side for the costs: the length at which the paper's come out."""


def scored_checkpoints(run: Run) -> tuple[bool, list[str]]:
    """Return whether a mean is scored, and the names of the checkpoints that it is of.

    Where fewer were kept than the mean is to have, it is the best one, or the last.

    Raises:
        UsageError: if there is none.
    """
    try:
        return True, [path.name for path in choose_last(run.save_dir, run.average)]
    except UsageError:
        return False, [find_checkpoint(run.save_dir).name]


def result(run: Run, averaged: bool, checkpoints: list[str]) -> dict[str, Any]:
    """Return it ready for JSON, after the evaluation.

    Raises:
        UsageError: if the last checkpoint is missing or damaged.
        OSError: if there are no scores.
    """
    evaluation = f"evaluation-test-average{run.average}" if averaged else "evaluation-test"
    scores = (run.save_dir / evaluation / "scores.json").read_text(encoding="utf-8")
    parts = mechanisms(run.config, LENGTH)
    return {
        "cell": run.cell.name,
        "seed": run.seed,
        "arch": run.arch,
        "flags": run.flags,
        "data_bin": str(run.data_bin.resolve()),
        "train": run.train,
        "evaluate": run.evaluate if averaged else run.evaluate_one,
        "averaged": averaged,
        "checkpoints": checkpoints,
        "evaluation": evaluation,
        "scores": json.loads(scores),
        "length": LENGTH,
        "gmacs": sum(part.multiply_adds for part in parts) / GIGA,
        "parameters": sum(part.parameters for part in parts),
        "updates": updates_of(load_checkpoint(run.save_dir / LAST)),
        "tokens_per_second": tokens_per_second(run.save_dir / TRAIN_LOG),
    }


def updates_of(state: dict[str, Any]) -> int:
    """Return the updates of a checkpoint."""
    return int(state["optimizer_history"][-1]["num_updates"])


def resolved_config(folder: Path) -> dict[str, Any]:
    """Return the configuration that fairseq-train resolved, from the last checkpoint.

    Raises:
        UsageError: if it is missing or damaged.
    """
    found = load_checkpoint(folder / LAST)["cfg"]
    if OmegaConf.is_config(found):
        found = OmegaConf.to_container(found)
    return {name: _plain(part) for name, part in found.items()}


def _plain(part: Any) -> Any:
    """Return a group of the configuration as a dict; the model's may be a Namespace."""
    return vars(part) if hasattr(part, "__dict__") else part
