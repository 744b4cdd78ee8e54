"""Line-by-line steps over several processes, in order, in memory that does not grow."""

from __future__ import annotations

import multiprocessing.pool
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from attn_nmt.moses import LineFunction

Item = TypeVar("Item")
Result = TypeVar("Result")
_function: Callable[[Any], Any]

_ITEMS_A_TASK = 1000
# Tasks handed out and not yet collected, a process; enough that none of them waits.
_TASKS_AHEAD = 4


def map_lines(
    make: Callable[[], LineFunction], source: Path, target: Path, *, workers: int
) -> None:
    """Write ``make()(line)`` to ``target`` for each line of ``source``.

    The result does not depend on ``workers``.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        source.open(encoding="utf-8", newline="\n") as read,
        target.open("w", encoding="utf-8", newline="\n") as write,
    ):
        lines = (line.removesuffix("\n") for line in read)
        for line in tqdm(mapped(make, lines, workers), desc=str(target.name), unit=" lines"):
            write.write(line + "\n")


def mapped(
    make: Callable[[], Callable[[Item], Result]], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Yield ``make()(item)`` in the order of the items.

    ``make`` runs once in every process, so that what it loads is not sent along with each item.
    Items are read no faster than results are taken.
    """
    if workers == 1:
        yield from map(make(), items)
        return
    items, waiting = iter(items), deque[multiprocessing.pool.AsyncResult[list[Result]]]()
    with multiprocessing.Pool(workers, _start, (make,)) as pool:
        while task := list(islice(items, _ITEMS_A_TASK)):
            waiting.append(pool.apply_async(_call, (task,)))
            if len(waiting) == _TASKS_AHEAD * workers:
                yield from waiting.popleft().get()
        while waiting:
            yield from waiting.popleft().get()
        pool.close()
        pool.join()


def _start(make: Callable[[], Callable[[Item], Result]]) -> None:
    # An interrupt is for the parent to report, which then ends the others without a word.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    global _function
    _function = make()


def _call(task: list[Item]) -> list[Result]:
    return [_function(item) for item in task]
