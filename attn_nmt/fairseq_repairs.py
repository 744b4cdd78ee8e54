"""What fairseq-fixed 0.12.3.1 gets wrong, mended in the process that imports the user-dir.

fairseq is no longer maintained, so there is nowhere else to mend it.
"""

from __future__ import annotations

import atexit
import functools
import pickle
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairseq import checkpoint_utils
from fairseq.data import data_utils, iterators

from attn_nmt.checkpoints import why_refused
from attn_nmt.command_line import UsageError

_SECONDS_A_WAIT = 0.05
_MOST_WAITS = 200


def apply() -> None:
    """Apply every repair; more than once does no harm."""
    if not hasattr(data_utils.batch_by_size, "__wrapped__"):
        data_utils.batch_by_size = _with_last_batch(data_utils.batch_by_size)
        checkpoint_utils.load_checkpoint_to_cpu = _explained(
            checkpoint_utils.load_checkpoint_to_cpu
        )
        atexit.register(_stop_prefetching)


def _with_last_batch(batch_by_size: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Keep the sentences left over after the last whole multiple of the batch size.

    Batches are multiples of --required-batch-size-multiple, 8 by default, and what is left is
    thrown away: up to 7 sentences of every training epoch, and of the test set
    (facebookresearch/fairseq#5036).
    """

    @functools.wraps(batch_by_size)
    def batch_all(indices: Any, *args: Any, **kwargs: Any) -> list[Any]:
        batches = batch_by_size(indices, *args, **kwargs)
        # Batches are consecutive slices of the indices.
        rest = indices[sum(map(len, batches)) :]
        return [*batches, rest] if len(rest) else batches

    return batch_all


def _explained(load: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a checkpoint in one sentence, where torch would advise to trust it."""

    @functools.wraps(load)
    def load_or_explain(path: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return load(path, *args, **kwargs)
        except pickle.UnpicklingError as error:
            raise UsageError(why_refused(Path(path), error)) from None

    return load_or_explain


def _stop_prefetching() -> None:
    """End the threads that read batches ahead, when training stops within an epoch.

    Python would end them at exit wherever they are; inside PyTorch's C++ that aborts the process,
    so that a finished training now and then leaves with "terminate called without an active
    exception" and a non-zero exit.
    """
    for thread in threading.enumerate():
        if isinstance(thread, iterators.BackgroundConsumer):
            thread._max_len = thread.count  # the next batch is its last
            # Bounded: a reader stuck in its source must not keep the process from ending.
            for _ in range(_MOST_WAITS):
                if not thread.is_alive():
                    break
                try:
                    thread._queue.get(timeout=_SECONDS_A_WAIT)  # it may be waiting for room
                except queue.Empty:
                    continue
