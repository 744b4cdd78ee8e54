"""The bugs of fairseq that are patched on import: each is shown without and with its patch."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from fairseq import checkpoint_utils, options, trainer
from fairseq.data import FairseqDataset, data_utils
from fairseq.distributed import utils as distributed_utils
from fairseq.tasks.fairseq_task import FairseqTask
from support.commandline import ROOT

from attn_nmt import fairseq_patches
from attn_nmt.command_line import UsageError


@pytest.fixture(autouse=True)
def patched() -> None:
    fairseq_patches.apply()


@pytest.mark.parametrize("sentences", [1, 5, 8, 100, 1014])
@pytest.mark.parametrize("max_tokens", [80, 8000])
def test_no_sentence_is_dropped_after_the_last_full_batch(sentences: int, max_tokens: int) -> None:
    indices = numpy.arange(sentences)
    lengths = numpy.random.RandomState(0).randint(3, 10, size=sentences)
    arguments = {"num_tokens_vec": lengths, "num_tokens_fn": None, "max_tokens": max_tokens}
    batches = data_utils.batch_by_size(indices, **arguments, required_batch_size_multiple=8)
    assert numpy.concatenate(batches).tolist() == indices.tolist()
    for batch in batches:
        assert len(batch) * lengths[batch].max() <= max_tokens
    unpatched = data_utils.batch_by_size.__wrapped__
    kept = unpatched(indices, **arguments, required_batch_size_multiple=8)
    assert sum(map(len, kept)) == sentences - sentences % 8


def test_a_refused_checkpoint_is_explained_without_the_advice_to_trust_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"model": {}, "args": pickle.PickleError("any class")}, path)
    with pytest.raises(UsageError, match="holds _?pickle.PickleError; .* so it was refused.$"):
        checkpoint_utils.load_checkpoint_to_cpu(str(path))
    with pytest.raises(pickle.UnpicklingError, match="weights_only"):
        checkpoint_utils.load_checkpoint_to_cpu.__wrapped__(str(path))


@pytest.mark.parametrize("flag", ["--bf16", "--memory-efficient-bf16"])
def test_bf16_does_not_imply_a_tpu(flag: str) -> None:
    arguments = ["data-bin", "--task", "translation", "--arch", "transformer", flag]

    def parsed(parse: Any, *more: str) -> Namespace:
        return parse(options.get_training_parser(), [*arguments, *more])  # type: ignore[no-any-return]

    found = parsed(options.parse_args_and_arch)
    assert found.bf16
    assert not found.tpu
    assert parsed(options.parse_args_and_arch, "--tpu").tpu
    assert parsed(options.parse_args_and_arch.__wrapped__).tpu


class Sentences(FairseqDataset):
    """Forty sentences of one length, in random order."""

    def __len__(self) -> int:
        return 40

    def ordered_indices(self) -> Any:
        return numpy.random.permutation(40)

    def num_tokens_vec(self, indices: Any) -> Any:
        return numpy.full(len(indices), 5)

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        return True


def drawn(get_batch_iterator: Any, epoch: int, **options: Any) -> tuple[int, list[list[int]]]:
    """The epoch, and the batches of a process that starts in it."""
    task = FairseqTask(Namespace())
    found = get_batch_iterator(task, Sentences(), max_tokens=20, epoch=epoch, **options)
    return found.epoch, [list(batch) for batch in found.frozen_batches]


def test_batches_are_those_of_epoch_1_in_whatever_epoch_training_resumes() -> None:
    patched, unpatched = FairseqTask.get_batch_iterator, FairseqTask.get_batch_iterator.__wrapped__
    first = drawn(unpatched, 1)[1]
    assert drawn(patched, 1) == (1, first)
    assert drawn(patched, 3) == (3, first)
    assert drawn(unpatched, 3) != (3, first)
    # Unless new batches are requested in every epoch.
    for option in ("disable_iterator_cache", "update_epoch_batch_itr"):
        assert drawn(patched, 3, **{option: True}) == drawn(unpatched, 3)


def test_a_reused_iterator_stays_in_its_epoch() -> None:
    task, sentences = FairseqTask(Namespace()), Sentences()
    kept = task.get_batch_iterator(sentences, max_tokens=20, epoch=2)
    assert task.get_batch_iterator(sentences, max_tokens=20, epoch=3) is kept
    assert kept.epoch == 2


def test_the_state_that_processes_broadcast_to_resume_can_be_loaded() -> None:
    tensors: list[torch.Tensor] = []
    sent = io.BytesIO()
    state = {"model": {"w": torch.ones(2)}, "size": torch.Size([2]), "on": torch.device("cpu")}
    torch.save(distributed_utils._split_tensors_from_obj(state, tensors), sent)
    sent.seek(0)
    received = distributed_utils._put_tensors_in_obj(torch.load(sent), tensors)
    assert received["model"]["w"].tolist() == [1, 1]
    assert (received["size"], received["on"]) == (state["size"], state["on"])


def test_prefetching_threads_end_before_the_process() -> None:
    """A thread with more to prefetch would be alive at exit, and blocked in its queue."""
    code = """
import atexit, threading, time
from fairseq.data import iterators
def report():
    print(sum(isinstance(t, iterators.BackgroundConsumer) for t in threading.enumerate()))
atexit.register(report)  # runs after the handlers that are registered later
from attn_nmt import fairseq_patches
{apply}
batches = iterators.BufferedIterator(2, iterators.CountingIterator(list(range(10**6))))
print(next(iter(batches)))
"""
    alive = {}
    for apply in ("fairseq_patches.apply()", ""):
        result = subprocess.run(
            [sys.executable, "-c", code.format(apply=apply)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        alive[apply] = result.stdout.split()
    assert alive == {"fairseq_patches.apply()": ["0", "0"], "": ["0", "1"]}


def test_absent_biases_are_not_taken_for_a_shared_one() -> None:
    first, second = (torch.nn.Linear(2, 2, bias=False) for _ in range(2))
    model = torch.nn.ModuleDict({"first": first, "second": second, "parts": torch.nn.Module()})
    model["parts"].tied = torch.nn.Linear(2, 2, bias=False)
    model["parts"].tied.weight = first.weight
    shared = ["first.weight", "parts.tied.weight"]
    patched, unpatched = (
        trainer._catalog_shared_params,
        trainer._catalog_shared_params.__wrapped__,
    )
    assert patched(model) == [shared]
    assert patched(torch.nn.Linear(2, 2)) == []
    # It calls itself, so that the original is reached only by itself.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "_catalog_shared_params", unpatched)
        biases = ["first.bias", "second.bias", "parts.tied.bias"]
        assert unpatched(model) == [shared, biases]


@pytest.mark.parametrize(
    ("message", "is_left_out"),
    [
        ("\nThe version_base parameter is not specified.\nPlease specify one", True),
        ("hydra.experimental.compose() is no longer experimental. Use hydra.compose()", True),
        ("'pin_memory' argument is set as true but no accelerator is found, then", True),
        ("hydra.compose() got another argument", False),
        ("The gradient is zero: `torch.cuda.amp.autocast(args...)` is deprecated", False),
    ],
)
def test_only_warnings_that_nobody_can_heed_are_left_out(message: str, is_left_out: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        fairseq_patches._leave_out_warnings()
        warnings.warn(message, stacklevel=1)
    assert bool(caught) is not is_left_out
