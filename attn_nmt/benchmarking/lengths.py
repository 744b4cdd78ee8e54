"""How the cost of one mechanism of Transformer-base grows with the length of a sentence."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from attn_nmt import modules
from attn_nmt.benchmarking.measures import (
    Step,
    device,
    interleaved,
    keep_freed_memory,
    peak_memory,
)
from attn_nmt.progress import track

LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
_WIDTH = 512
# Name -> class, positional arguments after the width, and options.
MECHANISMS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "0010": ("RelativeMultiheadAttention", (8,), {"terms": "0010"}),
    "0010, causal": ("RelativeMultiheadAttention", (8,), {"terms": "0010", "causal": True}),
    "deformable 3": ("DeformableConv1d", (3,), {}),
    "deformable 3, causal": ("DeformableConv1d", (3,), {"causal": True}),
    "dynamic 31": ("DynamicConv1d", (31,), {}),
    "dynamic 31, causal": ("DynamicConv1d", (31,), {"causal": True}),
    "lightweight 31": ("LightweightConv1d", (31,), {}),
    "lightweight 31, causal": ("LightweightConv1d", (31,), {"causal": True}),
    "broadcast": ("ContextBroadcast", (), {"scaled": True}),
    "broadcast, causal": ("ContextBroadcast", (), {"scaled": True, "causal": True}),
    "1111, span 31": ("RelativeMultiheadAttention", (8,), {"terms": "1111", "span": 31}),
    "0001": ("RelativeMultiheadAttention", (8,), {"terms": "0001"}),
    "1111": ("RelativeMultiheadAttention", (8,), {"terms": "1111"}),
}


def mechanism_step(name: str, length: int) -> Step:
    """Return forward and backward of a mechanism over one sentence of that many tokens."""
    kind, arguments, options = MECHANISMS[name]
    torch.manual_seed(1)
    module = getattr(modules, kind)(_WIDTH, *arguments, **options).to(device())
    x = torch.randn(length, 1, _WIDTH, device=device(), requires_grad=True)
    is_attention = kind == "RelativeMultiheadAttention"

    def step() -> None:
        output = module(x, need_weights=False)[0] if is_attention else module(x)
        torch.autograd.backward(output.sum())

    return step


def exponent(lengths: Iterable[int], values: Iterable[float]) -> float:
    """Return the exponent of the power law that fits best: a line through the logarithms."""
    xs, ys = [math.log(n) for n in lengths], [math.log(v) for v in values]
    return statistics.linear_regression(xs, ys).slope


def measure_lengths(names: Sequence[str], rounds: int, fit_from: int) -> Iterator[dict[str, Any]]:
    """Yield one row per mechanism: exponents, and ratios of every length to the shortest."""
    keep_freed_memory()
    start = LENGTHS.index(fit_from)
    for name in names:
        memory = [peak_memory(mechanism_step, name, n) for n in track(LENGTHS, f"{name}, memory")]
        times = interleaved({str(n): mechanism_step(name, n) for n in LENGTHS}, rounds, name)
        medians = [statistics.median(times[str(n)]) for n in LENGTHS]
        yield {
            "mechanism": name,
            "time exponent": exponent(LENGTHS[start:], medians[start:]),
            "memory exponent": exponent(LENGTHS[start:], memory[start:]),
            **{f"memory {n}": m / memory[0] for n, m in zip(LENGTHS, memory, strict=True)},
            **{f"time {n}": m / medians[0] for n, m in zip(LENGTHS, medians, strict=True)},
        }
