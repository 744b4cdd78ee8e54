"""fairseq's checkpoints: loading them without running code, finding and replacing them.

Since torch 2.6 ``torch.load`` accepts only classes that are declared safe, and fairseq's
checkpoints hold a few more than tensors and numbers. They are declared when the package is
imported; everything else stays refused.
"""

from __future__ import annotations

import argparse
import collections
import shutil
import typing
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
import torch

from attn_nmt import checkpoint_file
from attn_nmt.atomic import replacing
from attn_nmt.command_line import UsageError

BEST, LAST = "checkpoint_best.pt", "checkpoint_last.pt"


def allow_fairseq_classes() -> None:
    """Declare safe what fairseq writes: settings, their containers, and numpy's numbers."""
    torch.serialization.add_safe_globals(
        [argparse.Namespace, *_containers(), *_omegaconf_classes(), *_numpy_classes()]
    )


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint to the CPU: the one gate through which all of them come.

    Raises:
        UsageError: if the file is missing, incomplete, damaged, or holds anything that is not
            declared safe, weights that are not numbers, or settings that fairseq must not see, in
            which case none of its code has run.
    """
    if not path.is_file():
        raise UsageError(f"{path} must be a checkpoint, but is missing.")
    state: dict[str, Any] = checkpoint_file.read(path)
    _check_parts(path, state)
    checkpoint_file.check_weights(path, state["model"])
    if state.get("cfg") is not None or state.get("args") is not None:
        # Not at the top: this module loads without fairseq.
        from attn_nmt.checkpoint_settings import check_settings

        check_settings(path, state)
    return state


def _check_parts(path: Path, state: Any) -> None:
    """Require the parts that fairseq and this package read to be of the right type.

    Raises:
        UsageError: naming the part.
    """
    if not isinstance(state, dict) or "model" not in state:
        raise UsageError(f"{path} must be a fairseq checkpoint, but holds no model.")
    model, history = state["model"], state.get("optimizer_history") or []
    is_model = isinstance(model, dict) and all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in model.items()
    )
    is_history = isinstance(history, list) and all(
        isinstance(part, dict) and type(part.get("num_updates", 0)) is int for part in history
    )
    extra = state.get("extra_state") or {}
    iterator = extra.get("train_iterator") or {} if isinstance(extra, dict) else None
    is_iterator = isinstance(iterator, dict) and type(iterator.get("epoch", 1)) is int
    for holds, what in (
        (is_model, "a model of named tensors"),
        (is_history, "a list with the number of updates as optimizer_history"),
        (isinstance(extra, dict), "a mapping as extra_state"),
        (is_iterator, "a mapping with the number of the epoch as train_iterator"),
    ):
        if not holds:
            raise UsageError(f"{path} must hold {what}, but holds something else.")


def choose_checkpoint(path: Path) -> Path:
    """Return the checkpoint itself, or the best one of a directory, or else its last.

    Raises:
        UsageError: if a directory holds neither.
    """
    if not path.is_dir():
        return path
    checkpoint = best_or_last(path)
    if checkpoint is None:
        raise UsageError(f"CHECKPOINT_OR_DIR must hold {BEST} or {LAST}, but {path} holds neither.")
    return checkpoint


def best_or_last(directory: Path) -> Path | None:
    """Return the best checkpoint of a directory, or else its last, or None if it has neither."""
    paths = (directory / BEST, directory / LAST)
    return next((path for path in paths if path.is_file()), None)


def find_checkpoint(path: Path) -> Path:
    """Return the same, after loading it to see that it can be.

    Raises:
        UsageError: if there is none, or it cannot be loaded.
    """
    checkpoint = choose_checkpoint(path)
    load_checkpoint(checkpoint)
    return checkpoint


def replace_broken_last_checkpoint(save_dir: Path) -> str | None:
    """Replace a truncated ``checkpoint_last.pt`` by the newest complete checkpoint.

    fairseq writes ``checkpoint_EPOCH_UPDATE.pt`` under another name and renames it, but copies it
    to ``checkpoint_last.pt`` in place: a process that is killed during the copy leaves a truncated
    file, from which no later run could resume.

    Returns:
        A line for the log, or None if nothing had to be replaced.

    Raises:
        UsageError: if there is no other checkpoint to resume from; or if the file is complete, but
            refused.
    """
    last = save_dir / LAST
    if not last.exists():
        return None
    try:
        load_checkpoint(last)
    except UsageError:
        # A checkpoint is a zip file, whose directory comes last. If that is there, the file is not
        # truncated but refused for its content, and must be kept.
        if zipfile.is_zipfile(last):
            raise
    else:
        return None
    newest = _newest_resumable(save_dir)
    if newest is None:
        raise UsageError(
            f"{last} must be a complete checkpoint, but is truncated, and {save_dir} holds no "
            "other checkpoint to resume from."
        )
    path, updates = newest
    with replacing(last) as unfinished:
        shutil.copyfile(path, unfinished)
    return f"restart: {last} was truncated; replaced by {path.name}, of {updates} updates"


def _newest_resumable(save_dir: Path) -> tuple[Path, int] | None:
    """Return the complete checkpoint with the most updates, and their number."""
    newest: tuple[Path, int] | None = None
    for path in sorted(save_dir.glob("checkpoint*.pt")):
        updates = None if path.name == LAST else _resumable_updates(path)
        if updates is not None and (newest is None or updates > newest[1]):
            newest = path, updates
    return newest


def _resumable_updates(path: Path) -> int | None:
    """Return the updates of a checkpoint, or None if training cannot resume from it."""
    try:
        state = load_checkpoint(path)
    except UsageError:
        return None
    history = state.get("optimizer_history")
    # An average of checkpoints has no optimizer state.
    if not history or "last_optimizer_state" not in state:
        return None
    updates: int | None = history[-1].get("num_updates")
    return updates


def _containers() -> list[Any]:
    return [dict, list, tuple, set, int, float, str, bool, collections.defaultdict, typing.Any]


def _omegaconf_classes() -> list[Any]:
    """Return the classes in which ``fairseq-hydra-train`` and older versions write settings."""
    if find_spec("omegaconf") is None:
        return []
    from omegaconf import DictConfig, ListConfig, base, nodes

    scalars = [getattr(nodes, f"{kind}Node") for kind in ("Any", "String", "Integer", "Float")]
    return [
        DictConfig,
        ListConfig,
        base.ContainerMetadata,
        base.Metadata,
        *scalars,
        nodes.BooleanNode,
    ]


def _numpy_classes() -> list[Any]:
    """Return the classes in which the counts of ``--eval-bleu`` and other metrics are written."""
    rebuild_array = numpy.empty(0).__reduce__()[0]
    rebuild_number = numpy.float64(0).__reduce__()[0]
    dtypes = {type(numpy.dtype(code)) for code in numpy.typecodes["AllInteger"] + "efd?"}
    return [numpy.ndarray, numpy.dtype, rebuild_array, rebuild_number, *dtypes]
