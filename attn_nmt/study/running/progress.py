"""One progress display for runs wherever they run: it reads the logs in their folders."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from tqdm import tqdm

from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running import cell_files as files
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.training_log import updates
from attn_nmt.training.command import flag_value as given

_SECONDS_A_LOOK = 1.0
_RECIPE_UPDATES = 100_000
_TOLD = 3
"""Runs that are named at a time; a line has room for no more."""
_BAR = "{l_bar}{bar}| {n:.1f}/{total} runs [{elapsed}<{remaining}{postfix}]"


def show(
    runs: Sequence[Run],
    futures: Sequence[Future[Outcome]],
    look: Callable[[], None] = lambda: None,
) -> None:
    """Show how far the runs are until all have ended, and name those that fail as they do.

    ``look`` is called once a look; it may be what makes the futures go on.
    """
    is_terminal = sys.stderr.isatty()
    start = sum(fraction(run) for run in runs)
    with tqdm(
        total=len(runs),
        initial=start,
        bar_format=_BAR,
        smoothing=0,
        miniters=0,
        mininterval=0.5 if is_terminal else 60,
        dynamic_ncols=is_terminal,
    ) as bar:
        pending = set(futures)
        while pending:
            look()
            ended, pending = wait(pending, _SECONDS_A_LOOK, FIRST_COMPLETED)
            for run, future in zip(runs, futures, strict=True):
                if future in ended and future.result().problem:
                    problem = f"{run.save_dir}: {future.result().problem}"
                    bar.write(problem, file=sys.stderr)
            bar.set_postfix_str(current(runs, futures), refresh=False)
            bar.update(_progress(runs, futures) - bar.n)


def _progress(runs: Sequence[Run], futures: Sequence[Future[Outcome]]) -> float:
    pairs = zip(runs, futures, strict=True)
    return sum(1.0 if future.done() else fraction(run) for run, future in pairs)


def current(runs: Sequence[Run], futures: Sequence[Future[Outcome]]) -> str:
    """Say which runs are running, or how many wait to."""
    running = [run for run, future in zip(runs, futures, strict=True) if future.running()]
    if not running:
        waiting = sum(not future.done() for future in futures)
        return f"{waiting} in the queue" if waiting else ""
    told = ", ".join(
        f"{run.cell.name} seed {run.seed}: update {updates(run.save_dir / files.TRAIN_LOG)}"
        for run in running[:_TOLD]
    )
    return told if len(running) <= _TOLD else f"{told}, and {len(running) - _TOLD} more"


def fraction(run: Run) -> float:
    """Return how much of a run is done, by its updates; 1 only if it is finished."""
    if (run.save_dir / files.RESULT).is_file():
        return 1.0
    limit = given(run.train, "--max-update") or ""
    wanted = int(limit) if limit.isdecimal() and int(limit) else _RECIPE_UPDATES
    return min(0.99, updates(run.save_dir / files.TRAIN_LOG) / wanted)
