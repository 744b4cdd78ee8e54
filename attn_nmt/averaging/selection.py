"""Which checkpoints of a folder to average, by the names that fairseq gives them."""

from __future__ import annotations

import re
from pathlib import Path

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.command_line import UsageError


def last_by_update(folder: Path, n: int, flag: str = "--last-updates") -> list[Path]:
    """Return the last ``n`` checkpoints written between epochs, the newest last.

    They are ``checkpoint_EPOCH_UPDATE.pt``, from ``--save-interval-updates``.

    Raises:
        UsageError: if ``folder`` is none or holds fewer; ``flag`` is what asked for ``n``.
    """
    found = _named(folder, r"checkpoint_\d+_(\d+)\.pt")
    return _last(found, n, flag, folder, "checkpoint_EPOCH_UPDATE.pt")


def last_by_epoch(folder: Path, n: int, flag: str = "--last-epochs") -> list[Path]:
    """Return the checkpoints of the last ``n`` epochs, ``checkpointEPOCH.pt``, the newest last.

    Raises:
        UsageError: if ``folder`` is none or holds fewer; ``flag`` is what asked for ``n``.
    """
    return _last(_named(folder, r"checkpoint(\d+)\.pt"), n, flag, folder, "checkpointEPOCH.pt")


def best(folder: Path, n: int, flag: str = "--best") -> list[Path]:
    """Return the ``n`` checkpoints with the best score, the best last.

    They are ``checkpoint.best_METRIC_VALUE.pt``, from ``--keep-best-checkpoints``. The metric, and
    whether more of it is better, is what the newest of them was trained with. fairseq appends a
    random digit to the value, which settles the order of equal ones.

    Raises:
        UsageError: if ``folder`` is none or holds fewer, or the newest may not be loaded.
    """
    files = [path for _, path in _named(folder, r"checkpoint\.best_.+_(\d+\.?\d*)\.pt")]
    if not files:
        return _last([], n, flag, folder, "checkpoint.best_METRIC_VALUE.pt")
    metric, more_is_better = _metric(max(files, key=lambda path: path.stat().st_mtime))
    found = _named(folder, rf"checkpoint\.best_{re.escape(metric)}_(\d+\.?\d*)\.pt")
    if not more_is_better:
        found.reverse()
    return _last(found, n, flag, folder, f"checkpoint.best_{metric}_VALUE.pt")


def _named(folder: Path, pattern: str) -> list[tuple[float, Path]]:
    """Return the files of that name with the number in it, in the order of the numbers."""
    if not folder.is_dir():
        raise UsageError(f"SAVE_DIR must be a folder, but {folder} is none.")
    matches = ((re.fullmatch(pattern, path.name), path) for path in folder.iterdir())
    return sorted((float(match[1]), path) for match, path in matches if match)


def _last(
    found: list[tuple[float, Path]], n: int, flag: str, folder: Path, kind: str
) -> list[Path]:
    if n < 1:
        raise UsageError(f"{flag} must be a whole number of at least 1, but is {n}.")
    if len(found) < n:
        raise UsageError(
            f"{flag} must be at most the number of files {kind} in {folder}, {len(found)}, "
            f"but is {n}."
        )
    return [path for _, path in found[-n:]]


def _metric(path: Path) -> tuple[str, bool]:
    """Return the metric that chose the checkpoint, and whether more of it is better."""
    state = load_checkpoint(path)
    settings = (state.get("cfg") or {}).get("checkpoint")
    if settings is None:  # written by a fairseq older than 0.10
        settings = vars(state["args"]) if state.get("args") else {}
    try:
        return (
            str(settings["best_checkpoint_metric"]),
            bool(settings["maximize_best_checkpoint_metric"]),
        )
    except KeyError:
        raise UsageError(
            f"{path} must say by which metric it was chosen, but its settings do not."
        ) from None
