"""How far a command is: a bar on a terminal, elsewhere a plain line now and then.

This is the one place that decides between them. A bar redraws its line, which in a file becomes a
single line of many thousand characters.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")
INTERVAL = 30.0
"""Seconds between the lines in a file."""
_REFRESH_INTERVAL = 0.5
MAX_WIDTH = 180
"""Characters of a line."""
_DONE = "{l_bar}{bar}| {n_fmt}/{total_fmt}{unit} [{elapsed}{postfix}]"
_OPEN = "{desc}: {n_fmt}{unit} [{elapsed}{postfix}]"


class Progress:
    """The progress of one piece of work; use it in a ``with`` statement.

    Args:
        what: the work, in a few words.
        total: how much there is to do, if that is known.
        initial: how much of it is done already.
        unit: what is counted, such as "lines".
        scaled: show large numbers with k, M and G.
        interval: seconds between the lines in a file; work that ends before prints nothing.
        file: where it goes, by default standard error.
    """

    def __init__(
        self,
        what: str,
        *,
        total: float | None = None,
        initial: float = 0,
        unit: str = "",
        scaled: bool = False,
        interval: float = INTERVAL,
        file: TextIO | None = None,
    ) -> None:
        self.what, self.total, self.count, self.unit = what, total, initial, unit
        self._file = sys.stderr if file is None else file
        self._interval = interval
        self._countdown = Countdown(initial)
        self._next_line = time.monotonic() + interval
        self._note = ""
        self._whole: int | None = None
        self._next_refresh = 0.0
        self._bar: tqdm[Any] | None = None
        if self._file.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=total,
                initial=initial,
                desc=what,
                unit=f" {unit}" if unit else "",
                unit_scale=scaled,
                bar_format=_OPEN if total is None else _DONE,
                dynamic_ncols=True,
                leave=False,
                file=self._file,
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, count: float = 1) -> None:
        """Count what has been done since."""
        self.move_to(self.count + count)

    def move_to(self, count: float, note: str | None = None, whole: int | None = None) -> None:
        """Set how much is done, what is shown beside it, and how much of it is whole, if not all.

        The bar and the time left follow ``count``; the number that is shown is ``whole``.
        """
        self.count = count
        self._whole = self._whole if whole is None else whole
        self._note = self._note if note is None else note
        if self._bar is not None:
            if self._whole is not None:
                self._bar.bar_format = _DONE.replace("{n_fmt}", f"{self._whole:,}")
            if self.total is not None or self._note:
                self._countdown.update(count, self.total)
                parts = [self._note, f"{left} left" if (left := self.time_left()) else ""]
                self._bar.set_postfix_str(", ".join(filter(None, parts)), refresh=False)
            self._bar.update(count - self._bar.n)
        elif time.monotonic() >= self._next_line:
            self.print_line()

    def refresh(self) -> None:
        """Draw the bar again, so that its clock goes on; nothing in a file."""
        if self._bar is not None and time.monotonic() >= self._next_refresh:
            self._next_refresh = time.monotonic() + _REFRESH_INTERVAL
            self.move_to(self.count)
            self._bar.refresh()

    def print_line(self) -> None:
        """Print a line in a file, whether it is time for one or not."""
        self._next_line = time.monotonic() + self._interval
        self._countdown.update(self.count, self.total)
        count = f"{self.count if self._whole is None else self._whole:,.10g}" + (
            f" of {self.total:,.10g}" if self.total else ""
        )
        parts = [f"{self.what}: {count} {self.unit}".rstrip(), self._note]
        if left := self.time_left():
            parts.append(f"{left} left")
        self.write(cut(", ".join(filter(None, parts))))

    def print_end(self) -> None:
        """Print a last line in a file; a terminal is left without its bar."""
        if self._bar is None:
            self.print_line()

    def write(self, line: str) -> None:
        """Print a line of its own, above the bar if there is one."""
        if self._bar is None:
            print(line, file=self._file, flush=True)
        else:
            self._bar.write(line, file=self._file)

    def time_left(self) -> str:
        """Return how long the rest takes, or nothing if that is not known."""
        seconds = self._countdown.seconds_left()
        return "" if seconds is None else duration(seconds)

    @property
    def is_bar(self) -> bool:
        """Whether this is a terminal."""
        return self._bar is not None


class Countdown:
    """When work will be done. Between two counts the time left runs down; it never grows."""

    def __init__(self, initial: float = 0) -> None:
        self._initial = self._last = initial
        self._start = time.monotonic()
        self._end: float | None = None

    def update(self, count: float, total: float | None) -> None:
        """Estimate the end again, if there is a new count, from all of the time so far."""
        if total is None or count <= self._last:
            return
        now = time.monotonic()
        self._last = count
        self._end = now + (now - self._start) * (total - count) / (count - self._initial)

    def seconds_left(self) -> float | None:
        """Return the seconds until the end, if it could be estimated."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())


def track(
    items: Iterable[Item],
    what: str,
    *,
    unit: str = "",
    total: int | None = None,
    file: TextIO | None = None,
) -> Iterator[Item]:
    """Yield the items while their progress is shown."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(what, total=total, unit=unit, file=file) as progress:
        for item in items:
            yield item
            progress.update()


def cut(line: str) -> str:
    """Return as much of a line as is shown of it."""
    return line if len(line) <= MAX_WIDTH else f"{line[: MAX_WIDTH - 3]}..."


def duration(seconds: float) -> str:
    """Return a time as a person says it: 5 s, 12 min, 3 h 05 min, 2 d 4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"
