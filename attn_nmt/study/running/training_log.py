"""What the log of a training tells, in fairseq's formats "simple" and "json"."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

_UPDATES = re.compile(r'num_updates["=: ]+(\d+)')
_SPEED = re.compile(r'\btrain_inner\b.*\bwps["=: ]+([\d.]+)')
_CURVES = re.compile(r"\| (train_inner|valid) \|(.*)")
# Of a validation the JSON format has names that begin with the data's.
_LOSS = re.compile(r'\b(?:valid_)?loss["=: ]+([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|nan|inf)\b')
_AT = re.compile(r'\b(?:valid_)?num_updates["=: ]+(\d+(?:\.\d+)?(?:e[-+]?\d+)?)\b')
_DONE = "| done training in "
_TAIL = 16_384


def updates(log: Path) -> int:
    """Return the updates that were last told, 0 without any; only the end of the file is read."""
    found = _UPDATES.findall(_tail(log))
    return int(found[-1]) if found else 0


def tokens_per_second(log: Path) -> float | None:
    """Return the median of ``wps``, target tokens a second, or None if it was never told."""
    if not log.is_file():
        return None
    with log.open(encoding="utf-8", errors="replace") as lines:
        speeds = [float(match[1]) for line in lines if (match := _SPEED.search(line))]
    return median(speeds) if speeds else None


@dataclass
class Curves:
    """Losses by the number of updates, in bits a token as fairseq tells them."""

    training: dict[int, float] = field(default_factory=dict)
    validation: dict[int, float] = field(default_factory=dict)


def curves(log: Path) -> Curves:
    """Return how the losses went; a training that went on from a checkpoint repeats updates.

    Of an update that was made twice the last one counts. Empty if nothing was told.
    """
    found = Curves()
    if not log.is_file():
        return found
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            # The training may be writing the last line just now.
            if line.endswith("\n") and (match := _CURVES.search(line)):
                loss, update = _LOSS.search(match[2]), _AT.search(match[2])
                if loss and update:
                    curve = found.validation if match[1] == "valid" else found.training
                    curve[int(float(update[1]))] = float(loss[1])
    return Curves(dict(sorted(found.training.items())), dict(sorted(found.validation.items())))


def says_done(log: Path) -> bool:
    """Whether the last training that wrote into the log came to its end."""
    return _DONE in _tail(log)


def last_lines(log: Path, count: int) -> str:
    """Return the end of a log as text."""
    return "\n".join(_tail(log).splitlines()[-count:])


def _tail(log: Path) -> str:
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        return file.read().decode("utf-8", errors="replace")
