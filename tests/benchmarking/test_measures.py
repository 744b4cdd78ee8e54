"""Times that take turns, multiply-adds, and the peak of the memory."""

from __future__ import annotations

import os
import statistics
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import pytest
import torch
from torch import nn

from attn_nmt.benchmarking.lengths import exponent
from attn_nmt.benchmarking.measures import interleaved, multiply_adds, peak_memory, ratio


def test_steps_take_turns_and_the_ratio_is_that_of_each_round() -> None:
    order: list[str] = []
    times = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 4
    assert [len(seconds) for seconds in times.values()] == [2, 2]
    own, baseline = [1.0, 9.0, 4.0], [2.0, 3.0, 4.0]
    assert ratio(own, baseline) == (statistics.median([0.5, 3.0, 1.0]), 0.75, 2.0)


def test_multiply_adds_are_those_of_products_and_convolutions() -> None:
    linear, convolution = nn.Linear(6, 5), nn.Conv1d(3, 4, 2)
    assert multiply_adds(lambda: linear(torch.randn(7, 6))) == 7 * 6 * 5
    assert multiply_adds(lambda: convolution(torch.randn(1, 3, 9))) == 8 * 3 * 2 * 4


def test_peak_memory_is_that_of_the_first_step() -> None:
    # peak_memory calls partial(torch.ones, ...) to make the step, in a process of its own.
    small, large = (peak_memory(partial, torch.ones, size * 2**18) for size in (20, 120))
    assert 90 < (large - small) / 2**20 < 110
    assert 10 < small / 2**20 < 60, "what the process held before the step does not count"


def test_a_step_that_is_killed_is_not_waited_for() -> None:
    with pytest.raises(BrokenProcessPool):
        peak_memory(partial, os._exit, 9)


def test_the_exponent_is_one_if_linear_and_two_if_quadratic() -> None:
    assert exponent([64, 128, 512], [3.0, 6.0, 24.0]) == pytest.approx(1.0)
    assert exponent([64, 128, 512], [3.0, 12.0, 192.0]) == pytest.approx(2.0)
