"""The faults of fairseq that are mended on import: each shown first, then gone."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from commandline import ROOT
from fairseq import checkpoint_utils
from fairseq.data import data_utils

from attn_nmt import fairseq_repairs
from attn_nmt.command_line import UsageError


@pytest.fixture(autouse=True)
def repaired() -> None:
    fairseq_repairs.apply()


@pytest.mark.parametrize("sentences", [1, 5, 8, 100, 1014])
@pytest.mark.parametrize("max_tokens", [80, 8000])
def test_no_sentence_is_left_out(sentences: int, max_tokens: int) -> None:
    indices = numpy.arange(sentences)
    lengths = numpy.random.RandomState(0).randint(3, 10, size=sentences)
    arguments = {"num_tokens_vec": lengths, "num_tokens_fn": None, "max_tokens": max_tokens}
    batches = data_utils.batch_by_size(indices, **arguments, required_batch_size_multiple=8)
    assert numpy.concatenate(batches).tolist() == indices.tolist()
    for batch in batches:
        assert len(batch) * lengths[batch].max() <= max_tokens
    unmended = data_utils.batch_by_size.__wrapped__
    kept = unmended(indices, **arguments, required_batch_size_multiple=8)
    assert sum(map(len, kept)) == sentences - sentences % 8


def test_a_refused_checkpoint_is_explained_without_advice_to_trust_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"model": {}, "args": pickle.PickleError("any class")}, path)
    with pytest.raises(UsageError, match="holds _?pickle.PickleError; .* so it was refused.$"):
        checkpoint_utils.load_checkpoint_to_cpu(str(path))
    with pytest.raises(pickle.UnpicklingError, match="weights_only"):
        checkpoint_utils.load_checkpoint_to_cpu.__wrapped__(str(path))


def test_threads_that_read_ahead_end_before_the_process() -> None:
    """A reader that is always at work would be alive at exit, and blocked in its queue."""
    code = """
import atexit, threading, time
from fairseq.data import iterators
def report():
    print(sum(isinstance(t, iterators.BackgroundConsumer) for t in threading.enumerate()))
atexit.register(report)  # runs after what is registered later
from attn_nmt import fairseq_repairs
{apply}
batches = iterators.BufferedIterator(2, iterators.CountingIterator(list(range(10**6))))
print(next(iter(batches)))
"""
    alive = {}
    for apply in ("fairseq_repairs.apply()", ""):
        result = subprocess.run(
            [sys.executable, "-c", code.format(apply=apply)],
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        alive[apply] = result.stdout.split()
    assert alive == {"fairseq_repairs.apply()": ["0", "0"], "": ["0", "1"]}
