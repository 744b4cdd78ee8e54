"""What a person sees of a training, read from its log while it runs.

The log holds everything: settings, the model, one line every ``--log-interval``. Shown are how far
the training is, its losses, its checkpoints, and warnings that are worth acting on; if it fails,
the sentence that says why.
"""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from types import TracebackType
from typing import TextIO

from attn_nmt.child_log import LogReader, reason, warning_in
from attn_nmt.progress import Progress, cut, duration
from attn_nmt.training import save_dir as lock

_LINE_INTERVAL = 60.0
_VALUES = re.compile(r" \| INFO \| (?P<kind>train|train_inner|valid\w*) \| (?P<values>.*)")
_ASSIGNMENT = re.compile(r"(\w+)=([^,\s]+)")
_PAIR = re.compile(r"\| (\w+) ([^|\s]+)(?= \||$)")
_EPOCH = re.compile(r"epoch (\d+)")
_STARTED = "| Start iterating over samples"
_PARAMETERS = re.compile(r"num\. shared model params: ([\d,]+)")
_LOADED = re.compile(r"\| Loaded checkpoint (.+) \(epoch (\d+) @ (\d+) updates\)")
_SAVED = re.compile(r"\| Saved checkpoint (.+?) \(epoch \d+ @ (\d+) updates")
_DONE = re.compile(r"\| done training in ([\d.]+) seconds")
_OUT_OF_TIME = re.compile(r"\| Stopping training due to .* > stop_time_hours: ([\d.]+) hour")
_AS_IT_IS = re.compile(r"\| (early stop since .*|training is finished: .*)")


class TrainingDisplay:
    """The log of a training, and what is shown of it; use it in a ``with`` statement.

    Args:
        directory: SAVE_DIR.
        log: the file, to which the training appends.
        total: the updates that it is to make, if that is known.
        shown: whether this process shows anything; of several nodes only the first does.
        file: where it goes, by default standard error.
    """

    def __init__(
        self,
        directory: Path,
        log: Path,
        *,
        total: int | None,
        shown: bool = True,
        file: TextIO | None = None,
    ) -> None:
        self.log = log
        self._directory, self._total, self._shown = directory, total, shown
        self._file = sys.stderr if file is None else file
        self._progress: Progress | None = None
        self._first, self._updates = 0, 0
        self._logged = 0
        """The update of the loss and the speed that are shown."""
        self._least: dict[str, float] = {}
        """The least loss of each validation data."""
        self._warnings: set[str] = set()

    def __enter__(self) -> TrainingDisplay:
        """Make the log if it is missing.

        Raises:
            OSError: if SAVE_DIR cannot be written.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        self._reader = LogReader(self.log)
        print(f"log: {self.log}", file=self._file, flush=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.__exit__(kind, error, trace)
        self._reader.close()

    def follow(self) -> None:
        """Show what is new in the log, and how far the training is."""
        for line in self._reader.new_lines():
            if self._shown:
                self._show(line)
        if self._progress is not None:
            reported = lock.reported(self._directory)
            self._updates = max(self._updates, reported or 0)
            # Of an earlier update, the loss beside the count would be wrong; a bar has no other.
            is_old = self._updates > self._logged and not self._progress.is_bar
            self._progress.move_to(self._updates, "" if is_old else None)
            self._progress.refresh()

    def reason(self, code: int) -> str:
        """Return in one sentence why the training failed, whose exit status was ``code``."""
        return reason(self._reader.all_lines(), code)

    def _show(self, line: str) -> None:
        if match := _VALUES.search(line):
            values = read_values(match["values"])
            self._updates = max(self._updates, _whole(values.get("num_updates", "")))
            if match["kind"] == "train_inner":
                self._show_updates(values)
            elif match["kind"] != "train":  # which says no more at the end of an epoch
                self._write(self._validation(match["kind"], values))
        elif warning := warning_in(line):
            if warning not in self._warnings:
                self._warnings.add(warning)
                self._write(f"warning: {warning}")
        elif match := _PARAMETERS.search(line):
            self._write(f"model: {match[1]} parameters")
        elif match := _LOADED.search(line):
            self._first = self._updates = int(match[3])
            self._write(
                f"resuming from {Path(match[1]).name}: epoch {match[2]}, update {int(match[3]):,}"
            )
        elif match := _SAVED.search(line):
            self._write(f"saved {Path(match[1]).name} at update {int(match[2]):,}")
        elif match := _DONE.search(line):
            total = "" if self._total is None else f" of {self._total:,}"
            time = duration(float(match[1]))
            self._write(f"trained to update {self._updates:,}{total} in {time}")
        elif match := _OUT_OF_TIME.search(line):
            self._write(
                f"stopped by --stop-time-hours {match[1]}; more hours continue the training"
            )
        elif match := _AS_IT_IS.search(line):
            self._write(match[1])
        elif _STARTED in line and self._progress is None:
            self._progress = Progress(
                "training",
                total=self._total,
                initial=self._first,
                unit="updates",
                interval=_LINE_INTERVAL,
                file=self._file,
            )

    def _show_updates(self, values: dict[str, str]) -> None:
        if self._progress is None:
            return
        self._logged = self._updates
        parts = [f"epoch {values['epoch']}"] if "epoch" in values else []
        parts += [f"loss {_decimals(values['loss'])}"] if "loss" in values else []
        if "wps" in values:
            parts.append(f"{_whole(values['wps']):,} words/s")
        self._progress.move_to(self._updates, ", ".join(parts))
        if not self._progress.is_bar:
            self._progress.print_line()

    def _validation(self, kind: str, values: dict[str, str]) -> str:
        parts = [f"loss {_decimals(values['loss'])}"] if "loss" in values else []
        parts += [f"BLEU {values['bleu']}"] if "bleu" in values else []
        name = "validation" if kind == "valid" else f"validation on {kind}"
        at = f" at update {_whole(values['num_updates']):,}" if "num_updates" in values else ""
        best = " (best)" if self._is_best(kind, values) else ""
        return f"{name}{at}: {', '.join(parts)}{best}"

    def _is_best(self, kind: str, values: dict[str, str]) -> bool:
        """Whether no validation on the same data had as small a loss."""
        loss = _number(values.get("loss", ""))
        # fairseq knows the least since before the training was resumed, with the first data only.
        if kind == "valid" and "best_loss" in values:
            return loss <= _number(values["best_loss"])
        is_least = loss < self._least.get(kind, -math.inf if self._first else math.inf)
        self._least[kind] = min(loss, self._least.get(kind, math.inf))
        return is_least

    def _write(self, line: str) -> None:
        if self._progress is None:
            print(cut(line), file=self._file, flush=True)
        else:
            self._progress.write(cut(line))


def read_values(text: str) -> dict[str, str]:
    """Return the values of a line, which fairseq writes in its formats "simple" or "json".

    In the JSON format the names of a validation start with that of its data.
    """
    if text.startswith("{"):
        try:
            values = {str(name): str(value) for name, value in json.loads(text).items()}
        except ValueError:
            return {}
        return {re.sub(r"^(valid\d*|train)_", "", name): value for name, value in values.items()}
    values = dict(_ASSIGNMENT.findall(text) or _PAIR.findall(text))
    if match := _EPOCH.match(text):
        values["epoch"] = str(int(match[1]))
    return values


def _decimals(text: str) -> str:
    """Return a number with three decimals, anything else as it is."""
    number = _number(text)
    return text if math.isnan(number) else f"{number:.3f}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _whole(text: str) -> int:
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return 0
