"""The runs on this machine: one at a time, or one a GPU, with one progress display."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from threading import Event

import torch
from tqdm import tqdm

from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running import cell_files as files
from attn_nmt.study.running.cell import Outcome, run_cell
from attn_nmt.study.running.training_log import updates
from attn_nmt.training.recipe import given

_SECONDS_A_LOOK = 1.0
_RECIPE_UPDATES = 100_000
_BAR = "{l_bar}{bar}| {n:.1f}/{total} runs [{elapsed}<{remaining}{postfix}]"


def visible_gpus(runs: Sequence[Run]) -> list[str | None]:
    """Return a name for each GPU that the runs may use; one that is None if there are none."""
    if any(given(run.train, "--cpu") is not None for run in runs):
        return [None]
    count = torch.cuda.device_count()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = chosen.split(",") if chosen else [str(number) for number in range(count)]
    return [*names[:count]] or [None]


def run_locally(runs: Sequence[Run], gpus: Sequence[str | None]) -> list[Outcome]:
    """Run everything and return how it ended, in the order of the runs.

    An interrupt stops what runs, waits until it has stopped, and starts nothing more.
    """
    free: SimpleQueue[str | None] = SimpleQueue()
    for gpu in gpus:
        free.put(gpu)
    stop = Event()

    def work(run: Run) -> Outcome:
        gpu = free.get()
        try:
            return run_cell(run, gpu, stop)
        finally:
            free.put(gpu)

    pool = ThreadPoolExecutor(len(gpus))
    try:
        futures = [pool.submit(work, run) for run in runs]
        _show(runs, futures)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


def _show(runs: Sequence[Run], futures: Sequence[Future[Outcome]]) -> None:
    """Show how far the runs are until all have ended, and name those that fail as they do."""
    is_terminal = sys.stderr.isatty()
    start = sum(fraction(run) for run in runs)
    with tqdm(
        total=len(runs), initial=start, bar_format=_BAR, smoothing=0, miniters=0,
        mininterval=0.5 if is_terminal else 60, dynamic_ncols=is_terminal,
    ) as bar:  # fmt: skip
        pending = set(futures)
        while pending:
            ended, pending = wait(pending, _SECONDS_A_LOOK, FIRST_COMPLETED)
            for run, future in zip(runs, futures, strict=True):
                if future in ended and future.result().problem:
                    problem = f"{run.save_dir}: {future.result().problem}"
                    bar.write(problem, file=sys.stderr)
            bar.set_postfix_str(_current(runs, futures), refresh=False)
            bar.update(_progress(runs, futures) - bar.n)


def _progress(runs: Sequence[Run], futures: Sequence[Future[Outcome]]) -> float:
    pairs = zip(runs, futures, strict=True)
    return sum(1.0 if future.done() else fraction(run) for run, future in pairs)


def _current(runs: Sequence[Run], futures: Sequence[Future[Outcome]]) -> str:
    running = [run for run, future in zip(runs, futures, strict=True) if future.running()]
    return ", ".join(
        f"{run.cell.name} seed {run.seed}: update {updates(run.save_dir / files.TRAIN_LOG)}"
        for run in running
    )


def fraction(run: Run) -> float:
    """Return how much of a run is done, by its updates; 1 only if it is finished."""
    if (run.save_dir / files.RESULT).is_file():
        return 1.0
    limit = given(run.train, "--max-update") or ""
    wanted = int(limit) if limit.isdecimal() and int(limit) else _RECIPE_UPDATES
    return min(0.99, updates(run.save_dir / files.TRAIN_LOG) / wanted)
