"""Comparisons with stock fairseq: rows with their goals, measured, and as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any

import torch

from attn_nmt.benchmarking.measures import interleaved, multiply_adds, peak_memory, ratio
from attn_nmt.benchmarking.models import SHARED_FIELDS, Model
from attn_nmt.benchmarking.peers import COMPUTE_TYPES, peer_decoding, require_peers
from attn_nmt.benchmarking.work import WORK, Sizes, search_shares
from attn_nmt.progress import track
from attn_nmt.study.flags import as_command_line

Measured = dict[str, Any]
_BASELINE = -1
_DYNAMIC = "attn_transformer_dynamic"
_DYNAMIC_BASE = f"{_DYNAMIC}_wmt_en_de"
_INT8 = {"int8": True}
_SMALL = {
    f"{side}_{name}": number
    for side in ("encoder", "decoder")
    for name, number in (("embed_dim", 256), ("ffn_embed_dim", 1024), ("layers", 3))
}
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
    peer: str | None = None
    """Compute type of CTranslate2, which then runs the baseline in place of ``model``."""


def _row(work: str, arch: str, goal: float, **options: Any) -> Row:
    flags = {"conv_kernel_sizes": "31"} if arch.startswith(_DYNAMIC) else {}
    return Row(work, Model(arch, {**flags, **options.pop("flags", {})}), goal, **options)


def _cpu_row(work: str, arch: str, *, avx512: float, avx2: float, **options: Any) -> Row:
    """Return a row whose goal is that of the instructions that PyTorch uses here."""
    has_avx512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return _row(work, arch, avx512 if has_avx512 else avx2, **options)


GOALS = (
    _cpu_row("training", "attn1111_wmt_en_de", avx512=0.58, avx2=0.92, memory_goal=1.10),
    _cpu_row("training", "attn0110_wmt_en_de", avx512=0.56, avx2=0.90),
    _cpu_row("training", "attn0010_wmt_en_de", avx512=0.48, avx2=0.78),
    _cpu_row("training", "attn0010_deformable_wmt_en_de", avx512=0.65, avx2=0.95),
    _cpu_row("training", _DYNAMIC_BASE, avx512=0.56, avx2=0.85),
    _row("training", _DYNAMIC_BASE, 0.70, baseline="lightconv"),
    _cpu_row("decoding", "attn1111_wmt_en_de", avx512=0.50, avx2=0.65),
    _cpu_row("decoding", "attn0010_wmt_en_de", avx512=0.40, avx2=0.52),
    _cpu_row("decoding", "attn0010_deformable_wmt_en_de", avx512=0.50, avx2=0.68),
    _cpu_row("decoding", _DYNAMIC_BASE, avx512=0.46, avx2=0.62),
    # As fast as CTranslate2 in the same numbers; its ratios on two processors of AMD.
    *(
        _cpu_row("decoding", f"{mechanism}_wmt_en_de", avx512=avx512, avx2=avx2, flags=flags)
        for flags, avx512, avx2 in (
            (_INT8, 0.28, 0.49),
            (_SMALL, 0.46, 0.60),
            ({**_SMALL, **_INT8}, 0.33, 0.50),
        )
        for mechanism in ("attn1111", "attn0010", "attn0010_deformable", _DYNAMIC)
    ),
    _row("encoding", "attn0010_wmt_en_de", 0.35),
    _row("encoding", "attnnone_deformable_wmt_en_de", 0.35),
    _row("encoding", _DYNAMIC_BASE, 0.35),
    _row("training", "attn1111_wmt_en_de", 1.05, sizes=_GPU_SIZES, on_gpu=True),
    _row("training", "attn0010_deformable_wmt_en_de", 1.05, sizes=_GPU_SIZES, on_gpu=True),
    _row("decoding", "attn1111_wmt_en_de", 0.90, sizes=_GPU_SIZES, on_gpu=True),
)


def with_peers(rows: Sequence[Row]) -> list[Row]:
    """Return the rows, and behind those of each search the other engine's.

    Raises:
        UsageError: if it is not installed.
    """
    require_peers()
    result: list[Row] = []
    for _, group in groupby(rows, key=_together):
        together = list(group)
        result += together
        if together[0].work == "decoding" and not together[0].on_gpu:
            result += [replace(together[0], goal=None, peer=kind) for kind in COMPUTE_TYPES]
    return result


def _together(row: Row) -> tuple[Any, ...]:
    """Return what rows share that are compared with the same baseline."""
    return row.work, row.baseline, row.sizes, row.on_gpu, row.model.widths()


def measure(rows: Sequence[Row], rounds: int, rate: float) -> Iterator[Measured]:
    """Yield each row with its results, which are None if it needs a device that is not there.

    ``time`` and ``memory`` are ratios, ``low`` and ``high`` the quartiles of the time; ``shares``
    and ``other shares`` are those of the parts of our search and of the baseline's, of decoding;
    ``rate`` are the multiply-adds per second of our model, and ``roofline`` its FLOPs utilisation:
    that number over the argument ``rate``.
    """
    for _, group in groupby(rows, key=_together):
        together = list(group)
        if together[0].on_gpu == torch.cuda.is_available():
            yield from _measure_together(together, rounds, rate)
        else:
            yield from map(_not_measured, together)


def _not_measured(row: Row) -> Measured:
    return {
        "work": row.work,
        "model": row.model.arch if row.peer is None else f"CTranslate2, {row.peer}",
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
    steps = {
        number: make(row.model, row.sizes)
        if row.peer is None
        else peer_decoding(baseline, row.sizes, row.peer)
        for number, row in enumerate(rows)
    }
    steps[_BASELINE] = make(baseline, first.sizes)
    times = interleaved(steps, rounds, f"{first.work} against {first.baseline}")
    # Those of an engine of its own, and in 8 bits, are not seen.
    counted = [number for number, row in enumerate(rows) if _is_counted(row)]
    counts = {number: multiply_adds(steps[number]) for number in counted}
    del steps  # to free their memory for what follows
    of_baseline = _memory_or_shares(baseline, first)
    for number, row in enumerate(track(rows, f"{first.work}, memory and shares")):
        result = _not_measured(row)
        result["time"], result["low"], result["high"] = ratio(times[number], times[_BASELINE])
        if row.peer is not None:
            yield result
            continue
        if number in counts:
            result["rate"] = counts[number] / min(times[number])
            result["roofline"] = result["rate"] / rate
        own = _memory_or_shares(row.model, row)
        if "memory" in own:
            result["memory"] = own["memory"] / of_baseline["memory"]
        result["shares"], result["other shares"] = own.get("shares"), of_baseline.get("shares")
        yield result


def _is_counted(row: Row) -> bool:
    return row.peer is None and not row.model.flags.get("int8")


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
    time = row["time"]
    return {
        "work": row["work"],
        "model": f"`{_command_line(row)}`",
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


def _command_line(row: Measured) -> str:
    return " ".join((row["model"], *as_command_line(row["flags"])))


def _verdict(row: Measured) -> str:
    pairs = [(row["goal"], row["time"]), (row["memory goal"], row["memory"])]
    met = [value <= goal for goal, value in pairs if None not in (goal, value)]
    return "" if not met else "yes" if all(met) else "no"


def shares_table(rows: Sequence[Measured]) -> list[Measured]:
    """Return where the time of the searches went, one row per model."""
    by_model: dict[str, dict[str, float]] = {}
    for row in rows:
        widths = {name: n for name, n in row["flags"].items() if name in SHARED_FIELDS}
        baseline = " ".join((row["against"], *as_command_line(widths)))
        for name, key in ((_command_line(row), "shares"), (baseline, "other shares")):
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
