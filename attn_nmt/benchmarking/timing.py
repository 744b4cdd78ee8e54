"""Times of steps that take turns, so that a change of the machine's pace meets them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Hashable, Mapping
from typing import TypeVar

import torch
from tqdm import tqdm

from attn_nmt.benchmarking.work import Step

Name = TypeVar("Name", bound=Hashable)


def interleaved(
    steps: Mapping[Name, Step], rounds: int, description: str = "rounds"
) -> dict[Name, list[float]]:
    """Return the seconds of each step in each round, after one round that does not count."""
    for step in steps.values():
        step()
    times: dict[Name, list[float]] = {name: [] for name in steps}
    for _ in tqdm(range(rounds), desc=description, leave=False):
        for name, step in steps.items():
            times[name].append(seconds(step))
    return times


def seconds(step: Step) -> float:
    """Time one call, waiting for the GPU."""
    finish()
    start = time.perf_counter()
    step()
    finish()
    return time.perf_counter() - start


def ratio(own: list[float], other: list[float]) -> tuple[float, float, float]:
    """Return the median of the ratios round by round, and their lower and upper quartile."""
    ratios = [one / stock for one, stock in zip(own, other, strict=True)]
    if len(ratios) == 1:
        return ratios[0], ratios[0], ratios[0]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return median, low, high


def finish() -> None:
    """Wait for what the GPU was given to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
