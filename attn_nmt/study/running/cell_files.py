"""The files that a run leaves in its folder beside fairseq's, each written whole.

- ``command.sh``: the two commands, as ``plan`` prints them
- ``environment.json``: of the last start; ``config.json``: what fairseq-train resolved
- ``train.log``, ``evaluate.log``: what the commands printed, start after start
- ``failure.txt``: why the last start failed, and how its log ends
- ``result.json``: that the run is finished, and with what
"""

from __future__ import annotations

import fcntl
import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attn_nmt.atomic import replacing
from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.plan import Run

COMMAND, ENVIRONMENT, CONFIG = "command.sh", "environment.json", "config.json"
TRAIN_LOG, EVALUATE_LOG = "train.log", "evaluate.log"
FAILURE, RESULT = "failure.txt", "result.json"


def commands(run: Run) -> str:
    """Return what is to stand in ``command.sh``."""
    return f"#!/usr/bin/env bash\n{shlex.join(run.train)}\n{shlex.join(run.evaluate)}\n"


def read_result(folder: Path) -> dict[str, Any] | None:
    """Return the result of a finished run, or None.

    Raises:
        UsageError: if the file is none of this command.
    """
    path = folder / RESULT
    if not path.is_file():
        return None
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name in ("evaluation", "data_bin"):
            result[name]
        result["scores"]["bleu"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} must be a result of a run, but is not one: {error!r}.") from error
    return result


def write(path: Path, text: str) -> None:
    """Write a text that appears whole or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON object that appears whole or not at all."""
    write(path, json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def in_use(folder: Path) -> bool:
    """Whether a process works in the folder."""
    try:
        with only_one(folder):
            return False
    except UsageError:
        return True
    except FileNotFoundError:
        return False


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep other processes from working in the folder; a lock of a dead one is none.

    Raises:
        UsageError: if another process works there.
    """
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{folder} must be used by one process at a time, but another one works there."
            ) from None
        yield
