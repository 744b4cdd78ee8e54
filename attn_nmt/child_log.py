"""The log of a command of fairseq that runs as a child: its new lines, warnings, and last words."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

_LOGGED_WARNING = re.compile(
    r"(?:^(?:WARNING|ERROR|CRITICAL):[\w.]+:| \| (?:WARNING|ERROR|CRITICAL) \| [\w.]+ \| )(.+)"
)
# Deprecations are for the authors of fairseq and PyTorch.
_PYTHON_WARNING = re.compile(r"^\S+:\d+: (?:UserWarning|RuntimeWarning): (.+)")
# PyTorch puts it before each line of a traceback, if there are several processes.
_RANK = re.compile(r"^\[rank\d+\]: ?")
_ERROR_LINE = re.compile(r"^(?:\S+: )?error: (.+)")
_EXCEPTION = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception|Exit)): (.+)")
# What follows from the failure of another process.
_SECONDARY = re.compile(r"ChildFailedError|[Cc]onnection (?:closed|reset)|DistBackendError")
_PLAIN = ("ValueError", "UsageError", "FlagError", "Exception")


class LogReader:
    """The lines that are appended to a file, once they are complete."""

    def __init__(self, path: Path, start: int | None = None) -> None:
        """Read from ``start``, by default from the end."""
        self._file = path.open("rb")
        self._file.seek(*(0, os.SEEK_END) if start is None else (start,))
        self._start, self._rest = self._file.tell(), b""

    def new_lines(self) -> Iterator[str]:
        """Yield the lines that were completed since the last call."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", errors="replace")

    def all_lines(self) -> list[str]:
        """Return every line since the reader was made."""
        self._file.seek(self._start)
        return self._file.read().decode("utf-8", errors="replace").splitlines()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def warning_in(line: str) -> str | None:
    """Return the warning that a line holds and that is worth acting on, or None."""
    match = _LOGGED_WARNING.search(line) or _PYTHON_WARNING.search(line)
    return match[1] if match else None


def reason(lines: list[str], code: int) -> str:
    """Return in one sentence why a command failed, from its log and its exit status."""
    lines = [_RANK.sub("", line) for line in lines]
    for line in reversed(lines):
        if match := _ERROR_LINE.match(line):
            return match[1]
    for line in reversed(lines):
        match = _EXCEPTION.match(line)
        if match and not _SECONDARY.search(line):
            return match[2] if match[1] in _PLAIN else f"{match[1]}: {match[2]}"
    if code < 0:
        name = signal.Signals(-code).name
        why = ", as Linux does when memory runs out" if -code == signal.SIGKILL else ""
        return f"It was ended by {name}{why}."
    said = [line for line in lines if line.strip()]
    return said[-1] if said else f"It exited with {code} and without a message."
