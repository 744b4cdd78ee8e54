"""The progress bar of all runs, wherever they run: it reads the logs in their directories."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from tqdm import tqdm

from attn_nmt.study.grids.runs import Run
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.run_directory import RESULT, TRAIN_LOG
from attn_nmt.study.running.training_log import updates
from attn_nmt.training.command import flag_value

_POLL_INTERVAL = 1.0
_RECIPE_UPDATES = 100_000
_MAX_SHOWN = 3
"""How many running runs are named; a line has no room for more."""
_BAR = "{l_bar}{bar}| {n:.1f}/{total} runs [{elapsed}<{remaining}{postfix}]"


def show_progress(
    runs: Sequence[Run],
    futures: Sequence[Future[Outcome]],
    poll: Callable[[], None] = lambda: None,
) -> None:
    """Update the bar until all runs have ended; report each failure when it happens.

    ``poll`` is called before each update; it may be what completes the futures.
    """
    is_terminal = sys.stderr.isatty()
    with tqdm(
        total=len(runs),
        initial=sum(fraction_done(run) for run in runs),
        bar_format=_BAR,
        smoothing=0,
        miniters=0,
        mininterval=0.5 if is_terminal else 60,
        dynamic_ncols=is_terminal,
    ) as bar:
        pending = set(futures)
        while pending:
            poll()
            ended, pending = wait(pending, _POLL_INTERVAL, FIRST_COMPLETED)
            pairs = list(zip(runs, futures, strict=True))
            for run, future in pairs:
                if future in ended and future.result().problem:
                    bar.write(f"{run.save_dir}: {future.result().problem}", file=sys.stderr)
            bar.set_postfix_str(status(runs, futures), refresh=False)
            done = sum(1.0 if future.done() else fraction_done(run) for run, future in pairs)
            bar.update(done - bar.n)


def status(runs: Sequence[Run], futures: Sequence[Future[Outcome]]) -> str:
    """Return which runs are running, or how many are queued."""
    running = [run for run, future in zip(runs, futures, strict=True) if future.running()]
    if not running:
        queued = sum(not future.done() for future in futures)
        return f"{queued} in the queue" if queued else ""
    shown = ", ".join(
        f"{run.cell.name} seed {run.seed}: update {updates(run.save_dir / TRAIN_LOG)}"
        for run in running[:_MAX_SHOWN]
    )
    hidden = len(running) - _MAX_SHOWN
    return f"{shown}, and {hidden} more" if hidden > 0 else shown


def fraction_done(run: Run) -> float:
    """Return how much of a run is done, by its updates; 1 only if it is finished."""
    if (run.save_dir / RESULT).is_file():
        return 1.0
    limit = flag_value(run.train, "--max-update") or ""
    total = int(limit) if limit.isdecimal() and int(limit) else _RECIPE_UPDATES
    return min(0.99, updates(run.save_dir / TRAIN_LOG) / total)
