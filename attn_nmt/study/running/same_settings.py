"""What keeps two settings from being mixed in the folder of one run."""

from __future__ import annotations

import json
from difflib import SequenceMatcher

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running.cell_files import COMMAND, ENVIRONMENT, commands


def require_same_commands(run: Run) -> None:
    """Refuse a folder in which something else was trained.

    Raises:
        UsageError: with the words that differ.
    """
    path = run.save_dir / COMMAND
    if path.is_file():
        found = path.read_text(encoding="utf-8")
        if found != commands(run):
            raise UsageError(
                f"{run.save_dir} must be gone on with by the command that started it, "
                f"but {_difference(found, commands(run))}."
            )
    elif any(run.save_dir.glob("*.pt")):
        raise UsageError(
            f"{run.save_dir} must be new or have a {COMMAND}, but holds checkpoints without one."
        )


def require_same_data(run: Run) -> None:
    """Refuse a folder whose data were others than those that now lie in the same place.

    Raises:
        UsageError: with the first file that differs; or if there is no data card.
    """
    now = DataCard.read(run.data_bin.resolve().parent).files
    path = run.save_dir / ENVIRONMENT
    if not path.is_file():
        return
    before = json.loads(path.read_text(encoding="utf-8"))["data_card"]["files"]
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            raise UsageError(
                f"{run.save_dir} must be gone on with on the data that it was started on, "
                f"but {name} is another file now."
            )


def _difference(found: str, wanted: str) -> str:
    """Say in which words the commands differ, in the order in which they stand."""
    before, now = found.split(), wanted.split()
    gone: list[str] = []
    new: list[str] = []
    for kind, start, end, new_start, new_end in SequenceMatcher(None, before, now).get_opcodes():
        if kind != "equal":
            gone += before[start:end]
            new += now[new_start:new_end]
    return f"that had {' '.join(gone) or 'nothing'} where this has {' '.join(new) or 'nothing'}"
