"""A ``checkpoint_last.pt`` that was cut short, replaced by the newest whole checkpoint.

fairseq writes ``checkpoint_EPOCH_UPDATE.pt`` aside and renames it, but copies it to
``checkpoint_last.pt`` in place: a process that is killed while it copies leaves half a file, with
which every later start would fail.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from attn_nmt.atomic import replacing
from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.command_line import UsageError

LAST = "checkpoint_last.pt"


def mend_last_checkpoint(save_dir: Path) -> str | None:
    """Replace ``checkpoint_last.pt`` if it is cut short; return a line that says so, or None.

    Raises:
        UsageError: if it must be replaced and nothing else can be resumed from; or if it is whole,
            but may not be loaded.
    """
    last = save_dir / LAST
    if not last.exists():
        return None
    try:
        load_checkpoint(last)
    except UsageError:
        # The directory of a zip file, which a checkpoint is, comes last. If it is there, nothing
        # was cut off: the file is refused for what it holds, and must not be thrown away.
        if zipfile.is_zipfile(last):
            raise
    else:
        return None
    newest = _newest_whole(save_dir)
    if newest is None:
        raise UsageError(
            f"{last} must be a whole checkpoint, but is cut short, and there is no other in "
            f"{save_dir} to go on from."
        )
    path, updates = newest
    with replacing(last) as unfinished:
        shutil.copyfile(path, unfinished)
    return f"restart: {last} was cut short; replaced by {path.name}, of {updates} updates"


def _newest_whole(save_dir: Path) -> tuple[Path, int] | None:
    """Return the whole checkpoint with the most updates, and their number."""
    newest: tuple[Path, int] | None = None
    for path in sorted(save_dir.glob("checkpoint*.pt")):
        updates = None if path.name == LAST else _updates(path)
        if updates is not None and (newest is None or updates > newest[1]):
            newest = path, updates
    return newest


def _updates(path: Path) -> int | None:
    """Return the updates of a checkpoint, or None if training cannot go on from it."""
    try:
        state = load_checkpoint(path)
    except UsageError:
        return None
    history = state.get("optimizer_history")
    # A mean of checkpoints has no optimiser.
    if not history or "last_optimizer_state" not in state:
        return None
    return int(history[-1]["num_updates"])
