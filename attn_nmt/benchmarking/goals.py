"""What is aimed at: rows of a mechanism, a kind of work, and the most it may take of stock's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from attn_nmt.benchmarking.models import Model
from attn_nmt.benchmarking.work import Sizes

DYNAMIC = "attn_transformer_dynamic_wmt_en_de"
KERNELS = {"conv_kernel_sizes": "31"}
GPU_SIZES = Sizes(tokens=25_000, sentences=128)


@dataclass(frozen=True)
class Row:
    """One comparison."""

    work: str
    """"training", "decoding" or "encoding"."""
    model: Model
    goal: float | None = None
    """The most time, as a part of the other's."""
    memory_goal: float | None = None
    """The most memory, as a part of the other's; memory is measured only in training."""
    other: str = "transformer"
    sizes: Sizes = field(default_factory=Sizes)
    on_gpu: bool = False


def _row(work: str, arch: str, goal: float, **more: Any) -> Row:
    flags = KERNELS if arch == DYNAMIC else {}
    return Row(work, Model(arch, flags), goal, **more)


GOALS = (
    _row("training", "attn1111_wmt_en_de", 1.00, memory_goal=1.10),
    _row("training", "attn0110_wmt_en_de", 0.97),
    _row("training", "attn0010_wmt_en_de", 0.88),
    _row("training", "attn0010_deformable_wmt_en_de", 1.00),
    _row("training", DYNAMIC, 1.00),
    _row("training", DYNAMIC, 0.70, other="lightconv"),
    _row("decoding", "attn1111_wmt_en_de", 0.80),
    _row("decoding", "attn0010_wmt_en_de", 0.70),
    _row("decoding", "attn0010_deformable_wmt_en_de", 0.80),
    _row("decoding", DYNAMIC, 0.80),
    _row("encoding", "attn0010_wmt_en_de", 0.35),
    _row("encoding", "attnnone_deformable_wmt_en_de", 0.35),
    _row("encoding", DYNAMIC, 0.35),
    _row("training", "attn1111_wmt_en_de", 1.05, sizes=GPU_SIZES, on_gpu=True),
    _row("training", "attn0010_deformable_wmt_en_de", 1.05, sizes=GPU_SIZES, on_gpu=True),
    _row("decoding", "attn1111_wmt_en_de", 0.90, sizes=GPU_SIZES, on_gpu=True),
)
