"""Line-by-line steps in several processes: results in order, memory independent of the length."""

from __future__ import annotations

import multiprocessing.pool
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from attn_nmt.child_processes import die_with
from attn_nmt.progress import track

Item = TypeVar("Item")
Result = TypeVar("Result")
_function: Callable[[Any], Any]

_ITEMS_PER_TASK = 1000
# Tasks in flight per process: enough that none of them waits for work.
_TASKS_PER_PROCESS = 4


def map_lines(
    make: Callable[[], Callable[[str], str]], source: Path, target: Path, *, workers: int
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
        for line in track(ordered_map(make, lines, workers), target.name, unit="lines"):
            write.write(line + "\n")


def ordered_map(
    make: Callable[[], Callable[[Item], Result]], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Yield ``make()(item)`` in the order of the items.

    ``make`` runs once in each process, so that what it loads is not pickled with every item.
    Items are consumed no faster than results, unlike in :meth:`multiprocessing.pool.Pool.imap`.
    """
    if workers == 1:
        yield from map(make(), items)
        return
    items, pending = iter(items), deque[multiprocessing.pool.AsyncResult[list[Result]]]()
    with multiprocessing.Pool(workers, _initialize, (make, die_with(os.getpid()))) as pool:
        while task := list(islice(items, _ITEMS_PER_TASK)):
            pending.append(pool.apply_async(_run_task, (task,)))
            if len(pending) == _TASKS_PER_PROCESS * workers:
                yield from pending.popleft().get()
        while pending:
            yield from pending.popleft().get()
        pool.close()
        pool.join()


def _initialize(
    make: Callable[[], Callable[[Item], Result]], bind: Callable[[], None] | None
) -> None:
    if bind is not None:
        bind()
    # The parent handles an interrupt and terminates its workers; they print no traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    global _function
    _function = make()


def _run_task(task: list[Item]) -> list[Result]:
    return [_function(item) for item in task]
