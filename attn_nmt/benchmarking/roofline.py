"""How near a step comes to the rate at which the machine multiplies matrices."""

from __future__ import annotations

import statistics

import torch
from torch.utils.flop_counter import FlopCounterMode

from attn_nmt.benchmarking.models import device
from attn_nmt.benchmarking.timing import seconds
from attn_nmt.benchmarking.work import Step
from attn_nmt.modules.linear import linear

_SIDE, _ROUNDS = 2048, 9


def matrix_rate() -> float:
    """Return the multiply-adds a second of a large square product, by the faster library."""
    kind = torch.bfloat16 if device().type == "cuda" else torch.float32
    x = torch.randn(_SIDE, _SIDE, device=device(), dtype=kind)
    linear(x, x)
    return _SIDE**3 / statistics.median(seconds(lambda: linear(x, x)) for _ in range(_ROUNDS))


def multiply_adds(step: Step) -> float:
    """Count those of the products and convolutions of one step."""
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops()) / 2
