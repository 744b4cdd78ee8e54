"""The runs on this machine: one at a time, or one a GPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event

import torch

from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running.cell import Outcome, run_cell
from attn_nmt.study.running.progress import show
from attn_nmt.training.command import flag_value as given


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
        show(runs, futures)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]
