"""Measuring rows: all models that are compared with the same one take turns with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import torch
from tqdm import tqdm

from attn_nmt.benchmarking.goals import Row
from attn_nmt.benchmarking.memory import peak_memory
from attn_nmt.benchmarking.models import Model
from attn_nmt.benchmarking.roofline import multiply_adds
from attn_nmt.benchmarking.shares import search_shares
from attn_nmt.benchmarking.timing import interleaved, ratio
from attn_nmt.benchmarking.work import WORK

Measured = dict[str, Any]
_OTHER = -1


def measure(rows: Sequence[Row], rounds: int, rate: float) -> Iterator[Measured]:
    """Yield each row with its figures; None where it needs another device than there is.

    ``time`` and ``memory`` are ratios, ``low`` and ``high`` the quartiles of the time;
    ``shares`` is where the time of our search and of stock's goes, of decoding;
    ``roofline`` is the share of ``rate``, multiply-adds a second, that our own model reaches.
    """
    for _, group in groupby(rows, key=lambda row: (row.work, row.other, row.sizes, row.on_gpu)):
        together = list(group)
        if together[0].on_gpu == torch.cuda.is_available():
            yield from _measure_together(together, rounds, rate)
        else:
            yield from map(_not_measured, together)


def _not_measured(row: Row) -> Measured:
    return {
        "work": row.work,
        "model": row.model.arch,
        "flags": row.model.flags,
        "against": row.other,
        "device": "GPU" if row.on_gpu else "CPU",
        "goal": row.goal,
        "time": None,
        "low": None,
        "high": None,
        "memory goal": row.memory_goal,
        "memory": None,
        "roofline": None,
        "shares": None,
        "other shares": None,
    }


def _measure_together(rows: Sequence[Row], rounds: int, rate: float) -> Iterator[Measured]:
    first = rows[0]
    make, other = WORK[first.work], first.model.against(first.other)
    # By number: two rows may differ in their flags alone.
    steps = {number: make(row.model, row.sizes) for number, row in enumerate(rows)}
    steps[_OTHER] = make(other, first.sizes)
    times = interleaved(steps, rounds, f"{first.work} against {first.other}")
    counts = [multiply_adds(steps[number]) for number in range(len(rows))]
    del steps  # their memory is wanted for what follows
    of_other = _besides(other, first)
    for number, row in enumerate(tqdm(rows, desc=f"{first.work}, memory and shares", leave=False)):
        found = _not_measured(row)
        found["time"], found["low"], found["high"] = ratio(times[number], times[_OTHER])
        found["roofline"] = counts[number] / min(times[number]) / rate
        own = _besides(row.model, row)
        if "memory" in own:
            found["memory"] = own["memory"] / of_other["memory"]
        found["shares"], found["other shares"] = own.get("shares"), of_other.get("shares")
        yield found


def _besides(model: Model, row: Row) -> Measured:
    """Return what is measured beside the time: the memory of training, the parts of a search."""
    if row.work == "training":
        return {"memory": peak_memory(partial(WORK[row.work], model, row.sizes))}
    if row.work == "decoding":
        return {"shares": search_shares(model, row.sizes)}
    return {}
