"""Comparisons with stock fairseq: rows with their goals, measured, and as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

import torch

from attn_nmt.benchmarking.measures import interleaved, multiply_adds, peak_memory, ratio
from attn_nmt.benchmarking.models import Model
from attn_nmt.benchmarking.work import WORK, Sizes, search_shares
from attn_nmt.progress import track
from attn_nmt.study.flags import as_command_line

Measured = dict[str, Any]
_BASELINE = -1
_DYNAMIC = "attn_transformer_dynamic_wmt_en_de"
_GPU_SIZES = Sizes(tokens=25_000, sentences=128)


@dataclass(frozen=True)
class Row:
    """One comparison."""

    work: str
    """"training", "decoding" or "encoding"."""
    model: Model
    goal: float | None = None
    """The largest acceptable ratio of our time to the baseline's."""
    memory_goal: float | None = None
    """The same of memory, which is measured in training only."""
    baseline: str = "transformer"
    """fairseq's arch."""
    sizes: Sizes = field(default_factory=Sizes)
    on_gpu: bool = False


def _row(work: str, arch: str, goal: float, **options: Any) -> Row:
    flags = {"conv_kernel_sizes": "31"} if arch == _DYNAMIC else {}
    return Row(work, Model(arch, flags), goal, **options)


GOALS = (
    _row("training", "attn1111_wmt_en_de", 1.00, memory_goal=1.10),
    _row("training", "attn0110_wmt_en_de", 0.97),
    _row("training", "attn0010_wmt_en_de", 0.88),
    _row("training", "attn0010_deformable_wmt_en_de", 1.00),
    _row("training", _DYNAMIC, 1.00),
    _row("training", _DYNAMIC, 0.70, baseline="lightconv"),
    _row("decoding", "attn1111_wmt_en_de", 0.80),
    _row("decoding", "attn0010_wmt_en_de", 0.70),
    _row("decoding", "attn0010_deformable_wmt_en_de", 0.80),
    _row("decoding", _DYNAMIC, 0.80),
    _row("encoding", "attn0010_wmt_en_de", 0.35),
    _row("encoding", "attnnone_deformable_wmt_en_de", 0.35),
    _row("encoding", _DYNAMIC, 0.35),
    _row("training", "attn1111_wmt_en_de", 1.05, sizes=_GPU_SIZES, on_gpu=True),
    _row("training", "attn0010_deformable_wmt_en_de", 1.05, sizes=_GPU_SIZES, on_gpu=True),
    _row("decoding", "attn1111_wmt_en_de", 0.90, sizes=_GPU_SIZES, on_gpu=True),
)


def measure(rows: Sequence[Row], rounds: int, rate: float) -> Iterator[Measured]:
    """Yield each row with its results, which are None if it needs a device that is not there.

    ``time`` and ``memory`` are ratios, ``low`` and ``high`` the quartiles of the time; ``shares``
    and ``other shares`` are those of the parts of our search and of the baseline's, of decoding;
    ``rate`` are the multiply-adds per second of our model, and ``roofline`` its FLOPs utilisation:
    that number over the argument ``rate``.
    """
    for _, group in groupby(rows, key=lambda row: (row.work, row.baseline, row.sizes, row.on_gpu)):
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
        "against": row.baseline,
        "device": "GPU" if row.on_gpu else "CPU",
        "goal": row.goal,
        "time": None,
        "low": None,
        "high": None,
        "memory goal": row.memory_goal,
        "memory": None,
        "rate": None,
        "roofline": None,
        "shares": None,
        "other shares": None,
    }


def _measure_together(rows: Sequence[Row], rounds: int, rate: float) -> Iterator[Measured]:
    """Measure rows with the same baseline, whose models take turns with it."""
    first = rows[0]
    make, baseline = WORK[first.work], first.model.baseline(first.baseline)
    # By number: two rows may differ in their flags only.
    steps = {number: make(row.model, row.sizes) for number, row in enumerate(rows)}
    steps[_BASELINE] = make(baseline, first.sizes)
    times = interleaved(steps, rounds, f"{first.work} against {first.baseline}")
    counts = [multiply_adds(steps[number]) for number in range(len(rows))]
    del steps  # to free their memory for what follows
    of_baseline = _memory_or_shares(baseline, first)
    for number, row in enumerate(track(rows, f"{first.work}, memory and shares")):
        result = _not_measured(row)
        result["time"], result["low"], result["high"] = ratio(times[number], times[_BASELINE])
        result["rate"] = counts[number] / min(times[number])
        result["roofline"] = result["rate"] / rate
        own = _memory_or_shares(row.model, row)
        if "memory" in own:
            result["memory"] = own["memory"] / of_baseline["memory"]
        result["shares"], result["other shares"] = own.get("shares"), of_baseline.get("shares")
        yield result


def _memory_or_shares(model: Model, row: Row) -> Measured:
    """Return what is measured besides time: the memory of training, the parts of a search."""
    if row.work == "training":
        return {"memory": peak_memory(partial(WORK[row.work], model, row.sizes))}
    if row.work == "decoding":
        return {"shares": search_shares(model, row.sizes)}
    return {}


def comparison_table(rows: Sequence[Measured]) -> list[Measured]:
    """Return measured rows for a table: one column for model and flags, one for the verdict."""
    return [_comparison(row) for row in rows]


def _comparison(row: Measured) -> Measured:
    command_line = " ".join((row["model"], *as_command_line(row["flags"])))
    time = row["time"]
    return {
        "work": row["work"],
        "model": f"`{command_line}`",
        "against": f"`{row['against']}`",
        "device": row["device"],
        "goal": "" if row["goal"] is None else row["goal"],
        "time": "not measured" if time is None else time,
        "quartiles": "" if time is None else f"{row['low']:.2f}-{row['high']:.2f}",
        "memory goal": "" if row["memory goal"] is None else row["memory goal"],
        "memory": "" if row["memory"] is None else row["memory"],
        "FLOPs utilisation": "" if row["roofline"] is None else row["roofline"],
        "met": _verdict(row),
    }


def _verdict(row: Measured) -> str:
    pairs = [(row["goal"], row["time"]), (row["memory goal"], row["memory"])]
    met = [value <= goal for goal, value in pairs if None not in (goal, value)]
    return "" if not met else "yes" if all(met) else "no"


def shares_table(rows: Sequence[Measured]) -> list[Measured]:
    """Return where the time of the searches went, one row per model."""
    by_model: dict[str, dict[str, float]] = {}
    for row in rows:
        for name, key in ((row["model"], "shares"), (row["against"], "other shares")):
            if row[key] is not None:
                by_model.setdefault(name, row[key])
    return [{"share of a search": f"`{name}`", **shares} for name, shares in by_model.items()]


def markdown(rows: Sequence[Measured]) -> str:
    """Return rows as a Markdown table."""
    lines = [list(rows[0]), ["---"] * len(rows[0])]
    lines += [[_cell(value) for value in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
