"""The rows of a report's table, one a cell: what it scored and cost, beside the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median, stdev
from typing import Any

from attn_nmt.command_line import UsageError
from attn_nmt.study import paper
from attn_nmt.study.costs.rows import PAPER_SIZE, printed_gflops
from attn_nmt.study.flags import arch_of_size, read_config
from attn_nmt.study.reporting.columns import COLUMNS
from attn_nmt.study.reporting.envelope import envelope
from attn_nmt.study.reporting.found import FoundCell, FoundGrid, FoundRun
from attn_nmt.study.reporting.settings import Setting, others
from attn_nmt.study.reporting.significance import SeedTest, is_significant
from attn_nmt.study.running.run_directory import TRAIN_LOG
from attn_nmt.study.running.training_log import curves, updates
from attn_nmt.study.tables import Row

_OF_THE_PAPER = ("table2", "table3", "figure3-self")
"""Grids whose cells are called as those of the paper's tables."""


def cell_rows(
    grid: FoundGrid, found: Sequence[Setting], tests: dict[str, list[SeedTest]]
) -> list[Row]:
    """Return a row a cell with every key of ``COLUMNS``, None where there is nothing to say.

    Args:
        grid: what there is.
        found: its settings.
        tests: of each cell that is set against another, by name.

    Raises:
        UsageError: if a result of the paper's size has flags that do not fit.
    """
    rows = [_row(grid, cell, found, tests.get(cell.name, [])) for cell in grid.cells]
    points = {row["cell"]: (row["gmacs"], row["bleu"]) for row in rows if row["bleu"] is not None}
    best = envelope(points)
    for row in rows:
        row["on_envelope"] = row["cell"] in best if row["cell"] in points else None
    by_name = {row["cell"]: row for row in rows}
    for row in rows:
        _compare_costs(row, by_name.get(row["before"]))
    return rows


def _row(
    grid: FoundGrid, cell: FoundCell, found: Sequence[Setting], tests: Sequence[SeedTest]
) -> Row:
    row: Row = {column.key: None for column in COLUMNS}
    row |= {
        "cell": cell.name,
        "state": _state(grid, cell),
        "seeds": f"{len(cell.finished)} of {len(grid.seeds)}",
        "before": cell.before,
        "notes": "; ".join(_notes(grid, cell, found, tests)) or None,
    }
    if grid.name in _OF_THE_PAPER:
        row |= _printed(cell)
    if cell.finished:
        row |= _measured(cell.finished)
    if tests:
        row |= _tested(tests)
    return row


def _state(grid: FoundGrid, cell: FoundCell) -> str:
    if cell.finished:
        return "finished" if len(cell.finished) == len(grid.seeds) else "in part"
    if not cell.runs:
        return "missing"
    return "failed" if any(run.failure for run in cell.runs) else "unfinished"


def _notes(
    grid: FoundGrid, cell: FoundCell, found: Sequence[Setting], tests: Sequence[SeedTest]
) -> list[str]:
    seeds = {run.seed: run for run in cell.runs}
    notes = [
        f"seed {seed}: {_why(seeds.get(seed))}"
        for seed in grid.seeds
        if seed not in {run.seed for run in cell.finished}
    ]
    for run in cell.finished:
        notes += [f"seed {run.seed}: other {name} than most" for name in others(found, run)]
    notes += [f"seed {test.seed}: no p" for test in tests if test.problem]
    return notes if cell.runs else []


def _why(run: FoundRun | None) -> str:
    if run is None:
        return "missing"
    if run.failure is not None:
        return f"failed: {run.failure}"
    return f"unfinished, update {updates(run.folder / TRAIN_LOG)}"


def _printed(cell: FoundCell) -> Row:
    bleu = paper.printed("bleu")
    ours, before = bleu.get(cell.name), bleu.get(cell.before or "")
    difference = None if ours is None or before is None else round(ours - before, 9)
    return {"paper_bleu": ours, "paper_bleu_difference": difference}


def _measured(runs: Sequence[FoundRun]) -> Row:
    results = [run.result for run in runs if run.result is not None]
    bleu = [result["scores"]["bleu"] for result in results]
    speeds = [result["tokens_per_second"] for result in results]
    speeds = [speed for speed in speeds if speed is not None]
    losses = [curves(run.folder / TRAIN_LOG).validation for run in runs]
    last = [loss[max(loss)] for loss in losses if loss]
    # The model is the same for all seeds, or the notes say so.
    first = results[0]
    return {
        "bleu": fmean(bleu),
        "bleu_deviation": stdev(bleu) if len(bleu) > 1 else None,
        "bleu_compound_split": fmean(found["scores"]["bleu_compound_split"] for found in results),
        "gmacs": first["gmacs"],
        "paper_gmacs": _paper_gmacs(first["arch"], first["flags"]),
        "parameters": first["parameters"],
        "tokens_per_second": median(speeds) if speeds else None,
        "validation_loss": fmean(last) if last else None,
    }


def _paper_gmacs(arch: str, flags: dict[str, Any]) -> float | None:
    if arch != arch_of_size(PAPER_SIZE):
        return None
    try:
        return printed_gflops(read_config(arch, flags))
    except TypeError as error:  # a text where a number belongs
        raise UsageError(f"The flags of a result must fit a model, but are {flags}.") from error


def _tested(tests: Sequence[SeedTest]) -> Row:
    p_values = [f"{test.p_value:.4f}" for test in tests if test.p_value is not None]
    verdict = is_significant(tests)
    return {
        "bleu_difference": fmean(test.difference for test in tests),
        "p_values": ", ".join(p_values) or None,
        "significant": None if verdict is None else "yes" if verdict else "no",
    }


def _compare_costs(row: Row, before: Row | None) -> None:
    """Set the percentages of a row against the one before it."""
    if before is None or before["gmacs"] is None or row["gmacs"] is None:
        return
    row["gmacs_percent"] = 100 * (row["gmacs"] / before["gmacs"] - 1)
    if row["paper_gmacs"] is not None and before["paper_gmacs"] is not None:
        pair: tuple[Any, Any] = (row["before"], row["cell"])
        row["paper_percent"] = paper.printed_percents().get(pair)
