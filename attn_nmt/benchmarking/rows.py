"""Measuring one row: our model and fairseq's in turn, in one process."""

from __future__ import annotations

from typing import Any

import torch

from attn_nmt.benchmarking.goals import Row
from attn_nmt.benchmarking.memory import peak_memory
from attn_nmt.benchmarking.roofline import multiply_adds
from attn_nmt.benchmarking.shares import search_shares
from attn_nmt.benchmarking.timing import interleaved, ratio
from attn_nmt.benchmarking.work import WORK


def measure(row: Row, rounds: int, rate: float) -> dict[str, Any]:
    """Return the row with its figures; None where it needs another device than there is.

    ``time`` and ``memory`` are ratios, ``low`` and ``high`` the quartiles of the time;
    ``shares`` is where the time of our search and of stock's goes, of decoding;
    ``roofline`` is the share of ``rate``, multiply-adds a second, that our own model reaches.
    """
    found: dict[str, Any] = {
        "work": row.work, "model": row.model.arch, "flags": row.model.flags, "against": row.other,
        "device": "GPU" if row.on_gpu else "CPU", "goal": row.goal, "time": None, "low": None,
        "high": None, "memory goal": row.memory_goal, "memory": None, "roofline": None,
        "shares": None, "other shares": None,
    }  # fmt: skip
    if row.on_gpu != torch.cuda.is_available():
        return found
    make, other = WORK[row.work], row.model.against(row.other)
    own_step = make(row.model, row.sizes)
    steps = {"own": own_step, "other": make(other, row.sizes)}
    times = interleaved(steps, rounds, f"{row.work}, {row.model.arch}")
    found["time"], found["low"], found["high"] = ratio(times["own"], times["other"])
    fastest = min(times["own"])
    found["roofline"] = multiply_adds(own_step) / fastest / rate
    if row.work == "decoding":
        found["shares"] = search_shares(row.model, row.sizes)
        found["other shares"] = search_shares(other, row.sizes)
    if row.work == "training":
        own, stock = (peak_memory(make, model, row.sizes) for model in (row.model, other))
        found["memory"] = own / stock
    return found
