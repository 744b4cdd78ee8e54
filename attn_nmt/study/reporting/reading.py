"""The files of one run, checked for what a report takes from them."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from attn_nmt.command_line import UsageError
from attn_nmt.study.running.run_directory import ENVIRONMENT, FAILURE, RESULT, read_result

_NUMBER = (int, float)
_NEEDED: dict[str, tuple[type, ...]] = {
    "cell": (str,),
    "seed": (int,),
    "arch": (str,),
    "flags": (dict,),
    "train": (list,),
    "averaged": (bool,),
    "checkpoints": (list,),
    "length": (int,),
    "gmacs": _NUMBER,
    "parameters": (int,),
    "updates": (int,),
    "tokens_per_second": (*_NUMBER, type(None)),
}
_SCORES: dict[str, tuple[type, ...]] = {
    "bleu": _NUMBER,
    "bleu_compound_split": _NUMBER,
    "bleu_signature": (str,),
    "sentences": (int,),
}


def read_checked_result(folder: Path, cell: str, seed: int) -> dict[str, Any] | None:
    """Return the result of a finished run, or None.

    Raises:
        UsageError: if the file is none of ``run``, or of another cell or seed.
    """
    found, path = read_result(folder), folder / RESULT
    if found is None:
        return None
    _require(path, found, _NEEDED)
    _require(path, found["scores"], _SCORES)
    if (found["cell"], found["seed"]) != (cell, seed):
        raise UsageError(
            f"{path} must be of cell {cell}, seed {seed}, "
            f"but is of cell {found['cell']}, seed {found['seed']}."
        )
    return found


def read_environment(folder: Path) -> dict[str, Any]:
    """Return what the run depended on; nothing if that was not kept.

    Raises:
        UsageError: if the file is no JSON object.
    """
    path = folder / ENVIRONMENT
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} must be JSON, but is not: {error}.") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} must be a JSON object, but is {found!r}.")
    return found


def read_failure(folder: Path) -> str | None:
    """Return in one line why the last start failed, or None if it did not."""
    path = folder / FAILURE
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
    # A traceback has the error last, a failed command the end of its log.
    return lines[-1 if lines[0].startswith("Traceback ") else 0]


def _require(path: Path, found: dict[str, Any], kinds: dict[str, tuple[type, ...]]) -> None:
    for name, wanted in kinds.items():
        if name not in found:
            raise UsageError(f"{path} must be a result of a run, but has no {name}.")
        value = found[name]
        # type, since True is an int too.
        if type(value) not in wanted or (isinstance(value, float) and not isfinite(value)):
            raise UsageError(f"{path} must be a result of a run, but its {name} is {value!r}.")
