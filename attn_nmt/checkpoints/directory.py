"""The checkpoints of a directory: the best or last one, and a truncated last one replaced."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from attn_nmt.atomic import replacing
from attn_nmt.checkpoints.gate import load_checkpoint
from attn_nmt.command_line import UsageError

BEST, LAST = "checkpoint_best.pt", "checkpoint_last.pt"


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
