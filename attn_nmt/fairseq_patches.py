"""What fairseq-fixed 0.12.3.1 gets wrong, mended in the process that imports the user-dir.

fairseq is no longer maintained, so there is nowhere else to mend it.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import pickle
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils, options
from fairseq.data import data_utils, iterators
from fairseq.distributed import utils as distributed_utils
from fairseq.tasks.fairseq_task import FairseqTask

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
        FairseqTask.get_batch_iterator = _with_the_first_batches(FairseqTask.get_batch_iterator)
        options.parse_args_and_arch = _bf16_anywhere(options.parse_args_and_arch)
        # In its place a tensor is left out of what one process sends the others to resume with;
        # torch would refuse it, and with it every resumed training of several processes.
        torch.serialization.add_safe_globals([distributed_utils._TensorPlaceholder])
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


def _with_the_first_batches(get_batch_iterator: Callable[..., Any]) -> Callable[..., Any]:
    """Put sentences together in a resumed training as in one that was never stopped.

    Which sentences share a batch is drawn once, by a seed to which fairseq adds the epoch in which
    it is drawn: 1, or the one that training resumes in. So a run that was stopped after its first
    epoch went on with other batches. Their order is drawn for each epoch, and was right.
    """

    @functools.wraps(get_batch_iterator)
    def draw_as_in_epoch_1(
        self: FairseqTask,
        dataset: Any,
        *args: Any,
        epoch: int = 1,
        disable_iterator_cache: bool = False,
        update_epoch_batch_itr: bool = False,
        **kwargs: Any,
    ) -> Any:
        kept = self.can_reuse_epoch_itr(dataset) and dataset not in self.dataset_to_epoch_iter
        drawn_once = kept and not disable_iterator_cache and not update_epoch_batch_itr
        batches = get_batch_iterator(
            self,
            dataset,
            *args,
            epoch=1 if drawn_once else epoch,
            disable_iterator_cache=disable_iterator_cache,
            update_epoch_batch_itr=update_epoch_batch_itr,
            **kwargs,
        )
        if drawn_once:
            batches.epoch = max(epoch, 1)
        return batches

    return draw_as_in_epoch_1


def _bf16_anywhere(parse: Callable[..., Any]) -> Callable[..., Any]:
    """Train with --bf16 on the GPU or CPU there is.

    The flag says of itself that it implies --tpu, and without PyTorch's XLA a training with it ends
    in "'NoneType' object has no attribute 'xla_device'", on a GPU too.
    """

    @functools.wraps(parse)
    def parse_and_stay(parser: Any, input_args: Any = None, *args: Any, **kwargs: Any) -> Any:
        parsed = parse(parser, input_args, *args, **kwargs)
        asked = "--tpu" in (sys.argv if input_args is None else input_args)
        has_tpu = importlib.util.find_spec("torch_xla") and not torch.cuda.is_available()
        if getattr(parsed, "bf16", False) and not (asked or has_tpu):
            parsed.tpu = False
        return parsed

    return parse_and_stay


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
