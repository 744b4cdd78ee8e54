"""The progress bar of all runs, wherever they run: it reads the logs in their directories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from attn_nmt.progress import Progress
from attn_nmt.study.grids.runs import Run
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.run_directory import RESULT, TRAIN_LOG
from attn_nmt.study.running.training_log import updates
from attn_nmt.training import save_dir
from attn_nmt.training.command import MAX_UPDATE, flag_value

if TYPE_CHECKING:
    from attn_nmt.study.training_time import Corpus

_POLL_INTERVAL = 1.0
_MAX_SHOWN = 3
"""How many running runs are named; a line has no room for more."""


def show_progress(
    runs: Sequence[Run],
    futures: Sequence[Future[Outcome]],
    poll: Callable[[], None] = lambda: None,
) -> None:
    """Update the bar until all runs have ended; report each failure when it happens.

    ``poll`` is called before each update; it may be what completes the futures.
    """
    with Progress("done", total=len(runs), initial=_done(runs, futures), unit="runs") as progress:
        _show(progress, runs, futures)
        pending = set(futures)
        while pending:
            poll()
            ended, pending = wait(pending, _POLL_INTERVAL, FIRST_COMPLETED)
            for run, future in zip(runs, futures, strict=True):
                if future in ended and future.result().problem:
                    progress.write(f"{run.save_dir}: {future.result().problem}")
            _show(progress, runs, futures)
        progress.print_end()


def _show(progress: Progress, runs: Sequence[Run], futures: Sequence[Future[Outcome]]) -> None:
    whole = sum(future.done() for future in futures)
    progress.move_to(_done(runs, futures), status(runs, futures), whole)
    progress.refresh()


def _done(runs: Sequence[Run], futures: Sequence[Future[Outcome]]) -> float:
    """Return how many runs are done, those in progress by their updates."""
    fractions = (
        1.0 if future.done() else fraction_done(run)
        for run, future in zip(runs, futures, strict=True)
    )
    return round(sum(fractions), 3)


def status(runs: Sequence[Run], futures: Sequence[Future[Outcome]]) -> str:
    """Return which runs are running, or how many are queued."""
    running = [run for run, future in zip(runs, futures, strict=True) if future.running()]
    if not running:
        queued = sum(not future.done() for future in futures)
        return f"{queued} in the queue" if queued else ""
    shown = ", ".join(
        f"{run.cell.name} seed {run.seed}: update {updates_done(run):,} of {total_updates(run):,}"
        for run in running[:_MAX_SHOWN]
    )
    hidden = len(running) - _MAX_SHOWN
    return f"{shown}, and {hidden} more" if hidden > 0 else shown


def fraction_done(run: Run) -> float:
    """Return how much of a run is done, by its updates; 1 only if it is finished."""
    if (run.save_dir / RESULT).is_file():
        return 1.0
    return min(0.99, updates_done(run) / total_updates(run))


def updates_done(run: Run) -> int:
    """Return the updates that the training itself reports, or else the last in its log."""
    found = save_dir.reported(run.save_dir)
    return updates(run.save_dir / TRAIN_LOG) if found is None else found


def total_updates(run: Run) -> int:
    """Return how many updates the training is to make, also if it is limited by epochs."""
    if flag_value(run.train, "--max-epoch") is not None:
        # Not at the top: it loads the models.
        from attn_nmt.study.training_time import update_count

        corpus = _corpus(run.data_bin)
        limit = None if corpus is None else update_count(run, corpus)
        return limit or MAX_UPDATE
    given = flag_value(run.train, "--max-update") or ""
    return int(given) if given.isdecimal() and int(given) else MAX_UPDATE


@cache
def _corpus(data_bin: Path) -> Corpus | None:
    from attn_nmt.study.training_time import read_corpus

    return read_corpus(data_bin)
