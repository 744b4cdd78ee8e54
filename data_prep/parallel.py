"""Line-by-line steps from file to file, over several processes, in order and in little memory."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

LineFunction = Callable[[str], str]

_LINES_A_TASK = 1000
_function: LineFunction


def map_lines(
    make: Callable[[], LineFunction], source: Path, target: Path, *, workers: int
) -> None:
    """Write ``make()(line)`` to ``target`` for each line of ``source``.

    ``make`` runs once in every process, so that what it loads is not sent along with each line.
    The result does not depend on ``workers``.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        source.open(encoding="utf-8", newline="\n") as read,
        target.open("w", encoding="utf-8", newline="\n") as write,
    ):
        lines = (line.removesuffix("\n") for line in read)
        for line in tqdm(_mapped(make, lines, workers), desc=str(target.name), unit=" lines"):
            write.write(line + "\n")


def _mapped(make: Callable[[], LineFunction], lines: Iterator[str], workers: int) -> Iterator[str]:
    if workers == 1:
        yield from map(make(), lines)
        return
    with multiprocessing.Pool(workers, _start, (make,)) as pool:
        yield from pool.imap(_call, lines, chunksize=_LINES_A_TASK)


def _start(make: Callable[[], LineFunction]) -> None:
    global _function
    _function = make()


def _call(line: str) -> str:
    return _function(line)
