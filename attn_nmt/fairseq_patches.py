"""Patches for bugs of fairseq-fixed 0.12.3.1, applied in the process that imports the user-dir.

fairseq is no longer maintained, so the bugs cannot be fixed upstream.
"""

from __future__ import annotations

import atexit
import difflib
import errno
import functools
import importlib.util
import logging
import queue
import re
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

import torch
from fairseq import checkpoint_utils, options
from fairseq import trainer as trainers
from fairseq.data import data_utils, iterators
from fairseq.distributed import utils as distributed_utils
from fairseq.file_io import PathManager
from fairseq.models import ARCH_MODEL_REGISTRY
from fairseq.tasks.fairseq_task import FairseqTask
from fairseq.tasks.translation import TranslationTask

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.command_line import UsageError, describe_os_error
from attn_nmt.training import save_dir

logger = logging.getLogger(__name__)

_WAIT_INTERVAL = 0.05
_MAX_WAITS = 200
_REPORT_INTERVAL = 0.3
_UNHEEDED = (
    r"hydra\.experimental\.(initialize|compose)\(\) is no longer experimental",
    r"\s*The version_base parameter is not specified",
    r"In 'config': Usage of deprecated keyword in package header",
    r"\s*'config' is validated against ConfigStore schema with the same name",
    r"\s*The strict flag in the compose API is deprecated",
    r"'pin_memory' argument is set as true but no accelerator is found",
    r"`torch\.cuda\.amp\.autocast\(args\.\.\.\)` is deprecated",
)
"""How these warnings begin, as regular expressions."""


def apply() -> None:
    """Apply all patches; further calls have no effect."""
    if hasattr(data_utils.batch_by_size, "__wrapped__"):
        return
    data_utils.batch_by_size = _keep_last_batch(data_utils.batch_by_size)
    checkpoint_utils.load_checkpoint_to_cpu = _through_gate(checkpoint_utils.load_checkpoint_to_cpu)
    checkpoint_utils.load_checkpoint = _once_and_alone(checkpoint_utils.load_checkpoint)
    FairseqTask.build_criterion = _require_criterion(FairseqTask.build_criterion)
    FairseqTask.get_batch_iterator = _resume_with_same_batches(FairseqTask.get_batch_iterator)
    TranslationTask.setup_task = classmethod(_require_data(TranslationTask.setup_task.__func__))
    options.parse_args_and_arch = _check_flags(options.parse_args_and_arch)
    trainers._catalog_shared_params = _without_absent(trainers._catalog_shared_params)
    # It stands for the tensors in the state that one process broadcasts when several resume;
    # torch would refuse it otherwise, and no training of several processes could be resumed.
    torch.serialization.add_safe_globals([distributed_utils._TensorPlaceholder])
    atexit.register(_stop_prefetching)
    if "fairseq_cli" in sys.modules:  # one of its commands, and not a program of somebody else
        sys.excepthook = _in_a_sentence(sys.excepthook)
    _leave_out_warnings()


def _require_data(setup_task: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a configuration without data, at which fairseq fails with a TypeError.

    Hydra prints a traceback of every exception, so this ends the process.
    """

    @functools.wraps(setup_task)
    def checked(cls: type[TranslationTask], cfg: Any, **options: Any) -> Any:
        if cfg.data is None:
            sys.exit("error: task.data must be what fairseq-preprocess wrote, but is not given.")
        return setup_task(cls, cfg, **options)

    return checked


def _require_criterion(build: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a checkpoint without a criterion, which fairseq-validate would go on with."""

    @functools.wraps(build)
    def checked(self: FairseqTask, cfg: Any, *args: Any, **options: Any) -> Any:
        if cfg is None:
            raise UsageError(
                "The checkpoint must name one of fairseq's cross-entropies as its criterion, but "
                "names another or none."
            )
        return build(self, cfg, *args, **options)

    return checked


def _keep_last_batch(batch_by_size: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Keep the sentences after the last multiple of the batch size.

    Batch sizes are multiples of --required-batch-size-multiple, 8 by default, and fairseq drops the
    remainder: up to 7 sentences of every training epoch, and of the test set
    (facebookresearch/fairseq#5036).
    """

    @functools.wraps(batch_by_size)
    def batch_all(indices: Any, *args: Any, **kwargs: Any) -> list[Any]:
        batches = batch_by_size(indices, *args, **kwargs)
        # Batches are consecutive slices of the indices.
        rest = indices[sum(map(len, batches)) :]
        return [*batches, rest] if len(rest) else batches

    return batch_all


def _without_absent(catalog: Callable[..., Any]) -> Callable[..., Any]:
    """Do not take biases that a model does not have for one that its layers share.

    All of them are None; fairseq logs a line for each ("detected shared parameter").
    """

    @functools.wraps(catalog)
    def catalog_present(module: Any, *args: Any, **kwargs: Any) -> Any:
        def is_present(path: str) -> bool:
            return functools.reduce(getattr, path.split("."), module) is not None

        found = catalog(module, *args, **kwargs)  # None for a part: it calls itself
        return found and [paths for paths in found if is_present(paths[0])]

    return catalog_present


def _resume_with_same_batches(get_batch_iterator: Callable[..., Any]) -> Callable[..., Any]:
    """Batch sentences in a resumed training as in an uninterrupted one.

    The sentences of each batch are drawn once, with a seed to which fairseq adds the current epoch:
    1, or the one in which training resumes. So a training that was resumed after its first epoch
    had other batches. (Their order, which is drawn in each epoch, was right.)
    """

    @functools.wraps(get_batch_iterator)
    def batches_of_epoch_1(
        self: FairseqTask,
        dataset: Any,
        *args: Any,
        epoch: int = 1,
        disable_iterator_cache: bool = False,
        update_epoch_batch_itr: bool = False,
        **kwargs: Any,
    ) -> Any:
        reused = self.can_reuse_epoch_itr(dataset) and dataset not in self.dataset_to_epoch_iter
        drawn_once = reused and not disable_iterator_cache and not update_epoch_batch_itr
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

    return batches_of_epoch_1


def _check_flags(parse: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a flag in a sentence before anything is logged, and make --bf16 and --fp16 work.

    argparse prints up to 190 lines of usage above its sentence, and every --arch in it.

    --bf16 implies --tpu, and without PyTorch's XLA a training with it fails with "'NoneType'
    object has no attribute 'xla_device'", even on a GPU. --fp16 without a GPU fails with "Torch not
    compiled with CUDA enabled".
    """

    @functools.wraps(parse)
    def parse_and_check(parser: Any, input_args: Any = None, *args: Any, **kwargs: Any) -> Any:
        if "error" not in vars(parser):  # or else a caller has its own
            parser.error = functools.partial(_refuse, parser)
        parsed = parse(parser, input_args, *args, **kwargs)
        flags = parsed[0] if isinstance(parsed, tuple) else parsed  # with those that are unknown
        has_gpu = torch.cuda.is_available() and not getattr(flags, "cpu", False)
        if getattr(flags, "fp16", False) and not has_gpu:
            raise UsageError(
                "--fp16 must be left out without a GPU, but is given; --bf16 works on a CPU."
            )
        is_requested = "--tpu" in (sys.argv if input_args is None else input_args)
        has_tpu = importlib.util.find_spec("torch_xla") and not torch.cuda.is_available()
        if getattr(flags, "bf16", False) and not (is_requested or has_tpu):
            flags.tpu = False
        if input_args is None and getattr(flags, "save_dir", None):  # and not only looked at
            save_dir.require_writable(Path(flags.save_dir), "--save-dir")
        model = ARCH_MODEL_REGISTRY.get(getattr(flags, "arch", None))
        if hasattr(model, "check_flags"):
            model.check_flags(flags)
        return parsed

    return parse_and_check


def _refuse(parser: Any, message: str) -> NoReturn:
    """Raise UsageError with what argparse has to say, and the nearest name to a wrong one."""
    if match := re.match(r"argument --arch/-a: invalid choice: '?([^' ]*)", message):
        nearest = difflib.get_close_matches(match[1], ARCH_MODEL_REGISTRY, n=1, cutoff=0)[0]
        raise UsageError(
            f"--arch must be an architecture, of which {nearest} is the nearest, but is "
            f"{match[1]!r}."
        )
    if match := re.match(r"unrecognized arguments: (--[^ =]+)", message):
        nearest = difflib.get_close_matches(match[1], parser._option_string_actions, 1, cutoff=0)[0]
        raise UsageError(
            f"{match[1]} must be a flag of this command, of which {nearest} is the nearest, but is "
            "unknown to it."
        )
    raise UsageError(message)


def _leave_out_warnings() -> None:
    """Leave out warnings of every command that only the authors of fairseq could heed.

    It uses parts of Hydra and PyTorch that are deprecated, and pinned memory even without a GPU.
    """
    if sys.warnoptions:  # the user has a say
        return
    for message in _UNHEEDED:
        warnings.filterwarnings("ignore", message=message)


def _through_gate(load: Callable[..., Any]) -> Callable[..., Any]:
    """Let fairseq load a checkpoint only as :func:`attn_nmt.checkpoints.load_checkpoint` does.

    fairseq-generate, -interactive, -validate and -train all call the function patched here.
    """

    @functools.wraps(load)
    def load_checked(path: str, *args: Any, **kwargs: Any) -> Any:
        state = load_checkpoint(Path(PathManager.get_local_path(path)))
        if state.get("args") is None and not {"model", "task"} <= (state.get("cfg") or {}).keys():
            raise UsageError(f"{path} must hold the settings of its model and task, but does not.")
        # The function reads the file itself: a copy of it, since other threads may load others, is
        # given what has been read and checked.
        names = {**load.__globals__, "torch": _TorchWithLoaded(state)}
        load_it = types.FunctionType(
            load.__code__, names, load.__name__, load.__defaults__, load.__closure__
        )
        try:
            return load_it(path, *args, **kwargs)
        except (LookupError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{path} must have all parts that fairseq writes, but does not: {error!r}."
            ) from None

    return load_checked


class _TorchWithLoaded:
    """The module ``torch``, but for a ``load`` that returns what was loaded before."""

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state

    def load(self, *_: Any, **__: Any) -> dict[str, Any]:
        return self._state

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def _once_and_alone(load: Callable[..., Any]) -> Callable[..., Any]:
    """Let one training at a time use a SAVE_DIR, and leave a finished one as it is.

    fairseq-train calls this once, before the first update. It looks at --max-update only after an
    update, and so would make one more whenever a finished training is started again.
    """

    @functools.wraps(load)
    def load_alone(cfg: Any, trainer: Any, **kwargs: Any) -> Any:
        if trainer.data_parallel_rank == 0:
            save_dir.acquire(Path(cfg.save_dir))
        loaded = load(cfg, trainer, **kwargs)
        updates, limit = trainer.get_num_updates(), trainer.cfg.optimization.max_update
        if trainer.data_parallel_rank == 0:
            save_dir.report(Path(cfg.save_dir), updates)
            trainer.set_num_updates = _reporting(trainer.set_num_updates, Path(cfg.save_dir))
        if 0 < limit <= updates:
            if not any(Path(cfg.save_dir).glob("checkpoint*.pt")):
                raise UsageError(
                    f"--max-update must be more than the {updates} updates of --restore-file "
                    f"{cfg.restore_file}, which it counts on from, but is {limit}."
                )
            logger.info(
                f"training is finished: {cfg.save_dir} has {updates} updates, and --max-update is "
                f"{limit}; nothing was changed"
            )
            sys.exit(0)
        return loaded

    return load_alone


def _reporting(set_num_updates: Callable[[int], None], directory: Path) -> Callable[[int], None]:
    """Report the number of updates to who shows the progress, a few times a second at most."""
    next_report = 0.0

    @functools.wraps(set_num_updates)
    def set_and_report(updates: int) -> None:
        nonlocal next_report
        set_num_updates(updates)
        if time.monotonic() >= next_report:
            next_report = time.monotonic() + _REPORT_INTERVAL
            save_dir.report(directory, updates)

    return set_and_report


def _is_of_the_disk(error: BaseException) -> TypeGuard[OSError]:
    """Return whether a directory is full, read-only or another user's."""
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
    return isinstance(error, OSError) and error.errno in codes


def _in_a_sentence(show: Callable[..., None]) -> Callable[..., None]:
    """Report bad input, and a loss that is not a number, without a traceback of fairseq."""

    def show_error(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        causes: list[BaseException] = []
        cause: BaseException | None = error
        while cause is not None and cause not in causes:
            causes.append(cause)
            hidden = cause.__suppress_context__
            cause = cause.__cause__ or (None if hidden else cause.__context__)
        # fairseq raises others in place of some.
        if usage := next((cause for cause in causes if isinstance(cause, UsageError)), None):
            print(f"error: {usage}", file=sys.stderr)
            return
        if unwritable := next((each for each in causes if _is_of_the_disk(each)), None):
            print(f"error: {describe_os_error(unwritable)}", file=sys.stderr)
            return
        show(kind, error, trace)
        if cause := next((each for each in causes if isinstance(each, FloatingPointError)), None):
            print(
                "error: The loss and its gradient must be finite, but are not any more "
                f"({str(cause).splitlines()[0]}); a lower --lr or a longer --warmup-updates may "
                "help.",
                file=sys.stderr,
            )

    return show_error


def _stop_prefetching() -> None:
    """Stop the threads that prefetch batches, when training stops within an epoch.

    Python would stop them at exit wherever they are. Inside PyTorch's C++ that aborts the process,
    so that some finished trainings ended with "terminate called without an active exception" and a
    non-zero exit status.
    """
    for thread in threading.enumerate():
        if isinstance(thread, iterators.BackgroundConsumer):
            thread._max_len = thread.count  # the next batch is its last
            # Bounded, so that a thread that waits for its source cannot block the exit.
            for _ in range(_MAX_WAITS):
                if not thread.is_alive():
                    break
                try:
                    thread._queue.get(timeout=_WAIT_INTERVAL)  # it may wait for room in the queue
                except queue.Empty:
                    continue
