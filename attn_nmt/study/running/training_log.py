"""What the log of a training holds, in fairseq's formats "simple" and "json"."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

_UPDATES = re.compile(r'num_updates["=: ]+(\d+)')
_SPEED = re.compile(r'\btrain_inner\b.*\bwps["=: ]+([\d.]+)')
_LINE = re.compile(r"\| (train_inner|valid) \|(.*)")
# In the JSON format the names of a validation start with that of its data.
_LOSS = re.compile(r'\b(?:valid_)?loss["=: ]+([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|nan|inf)\b')
_UPDATE = re.compile(r'\b(?:valid_)?num_updates["=: ]+(\d+(?:\.\d+)?(?:e[-+]?\d+)?)\b')
_DONE = "| done training in "
_EPOCH_BEGINS = "| begin training epoch "
_TAIL_BYTES = 16_384


def updates(log: Path) -> int:
    """Return the last ``num_updates``, or 0; only the end of the file is read."""
    numbers = _UPDATES.findall(_tail(log))
    return int(numbers[-1]) if numbers else 0


def tokens_per_second(log: Path) -> float | None:
    """Return the median of ``wps``, target tokens per second; None if there is none."""
    if not log.is_file():
        return None
    with log.open(encoding="utf-8", errors="replace") as lines:
        speeds = [float(match[1]) for line in lines if (match := _SPEED.search(line))]
    return median(speeds) if speeds else None


@dataclass
class Curves:
    """Losses by number of updates, in bits per token as fairseq logs them."""

    training: dict[int, float] = field(default_factory=dict)
    validation: dict[int, float] = field(default_factory=dict)


def curves(log: Path) -> Curves:
    """Return the losses of a training, sorted by update; both are empty without any.

    A training that was resumed from a checkpoint repeats updates: the last loss of each counts.
    """
    losses = Curves()
    if not log.is_file():
        return losses
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            # The last line may be incomplete: the training may be writing it.
            if line.endswith("\n") and (match := _LINE.search(line)):
                loss, update = _LOSS.search(match[2]), _UPDATE.search(match[2])
                if loss and update:
                    curve = losses.validation if match[1] == "valid" else losses.training
                    curve[int(float(update[1]))] = float(loss[1])
    return Curves(dict(sorted(losses.training.items())), dict(sorted(losses.validation.items())))


def loss_lines(log: Path) -> str:
    """Return only the lines from which ``curves`` reads, without what precedes the losses."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        matches = [_LINE.search(line) for line in lines]
    return "".join(f"{match[0]}\n" for match in matches if match and _LOSS.search(match[2]))


def is_done(log: Path) -> bool:
    """Whether the last training that wrote to the log was completed, and none has begun since."""
    tail = _tail(log)
    return tail.rfind(_DONE) > tail.rfind(_EPOCH_BEGINS)


def last_lines(log: Path, count: int) -> str:
    """Return the end of a log as text."""
    return "\n".join(_tail(log).splitlines()[-count:])


def _tail(log: Path) -> str:
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read().decode("utf-8", errors="replace")
