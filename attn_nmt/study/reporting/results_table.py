"""The table of a report: its columns, and one row per cell with the paper's numbers beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Any

from attn_nmt.command_line import UsageError
from attn_nmt.study import paper
from attn_nmt.study.flags import arch_of_size, read_config
from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.model_costs import PAPER_SIZE, printed_gflops
from attn_nmt.study.paired_tests import LEVEL
from attn_nmt.study.reporting.comparability import Setting, unusual_settings
from attn_nmt.study.reporting.results import CellResults, GridResults, SeedResult
from attn_nmt.study.reporting.seed_tests import MIN_SEEDS, TOO_FEW, SeedTest, p_over_seeds, verdict
from attn_nmt.study.running.run_directory import TRAIN_LOG
from attn_nmt.study.running.training_log import curves, updates
from attn_nmt.study.tables import Row

_PAPER_GRIDS = ("table2", "table3", "figure3-self")
"""Grids whose cells are named like those of the paper's tables, with the same printed scores."""
_PAPER_FLAGS = {cell.name: cell.flags for name in _PAPER_GRIDS for cell in GRIDS[name]}

Point = tuple[float, float]
"""Cost and score."""


@dataclass(frozen=True)
class Column:
    """One column; the CSV file has all of them, with numbers in full."""

    key: str
    heading: str
    form: str
    meaning: str


COLUMNS = (
    Column("cell", "cell", "", "the name of the model in its grid"),
    Column(
        "state",
        "state",
        "",
        "finished; in part, if only some seeds are; unfinished, failed or missing",
    ),
    Column("seeds", "seeds", "", "finished, of all that the grid has for the cell"),
    Column("bleu", "BLEU", ".2f", "sacreBLEU of plain text, the mean over the seeds"),
    Column("bleu_deviation", "±", ".2f", "the sample standard deviation over two or more seeds"),
    Column(
        "bleu_compound_split",
        "BLEU, compound-split",
        ".2f",
        "the mean of tokenised BLEU with compounds split, as papers reported it; it is "
        "probably closer to the paper's, which does not say how it was tokenised",
    ),
    Column(
        "paper_bleu",
        "BLEU, paper",
        ".1f",
        "printed in the paper for Transformer-base on WMT14 English-German, newstest2014",
    ),
    Column("before", "baseline", "", "the cell that this one is compared with"),
    Column(
        "bleu_difference",
        "Δ BLEU",
        "+.2f",
        "to the baseline, between the means over all finished seeds of each",
    ),
    Column(
        "paper_bleu_difference", "Δ BLEU, paper", "+.1f", "the difference of the printed numbers"
    ),
    Column(
        "p_values",
        "p within seeds",
        "",
        "of approximate randomisation against the baseline of the same seed: how often exchanging "
        "the two models' translations at random makes as large a difference in either direction",
    ),
    Column(
        "p_over_seeds",
        "p over seeds",
        ".4f",
        "of a paired t-test over the seeds that both have finished: how often training again "
        f"alone would make as large a mean difference; it takes {MIN_SEEDS} seeds, and more find "
        "smaller differences",
    ),
    Column(
        "significant",
        "significant",
        "",
        f"yes if p is below {LEVEL} over the seeds and within every seed, all in the same "
        f"direction; {TOO_FEW} if both have finished fewer than {MIN_SEEDS} of the same seeds, "
        "which is not enough to tell a better kind of model from a luckier training; not corrected "
        "for multiple comparisons",
    ),
    Column(
        "gmacs",
        "GMACs",
        "#.4g",
        "10⁹ multiply-adds of one sentence pair in the paper's convention, as attn-nmt study costs "
        "counts them",
    ),
    Column(
        "paper_gmacs",
        "GMACs, paper",
        ".1f",
        "printed, where the model is the paper's, which calls them FLOPs",
    ),
    Column("gmacs_percent", "% GMACs", "+.1f", "more than the baseline"),
    Column("paper_percent", "% GMACs, paper", "+.1f", "printed, where the model is the paper's"),
    Column("parameters", "parameters", ",d", "without embeddings and output projection"),
    Column(
        "tokens_per_second",
        "tokens/s",
        ",.0f",
        "target tokens per second in training, the median over seeds; other work on the machine "
        "slows it down",
    ),
    Column(
        "training_time",
        "training time",
        ".2f",
        "of a step, as `study speed` measured it relative to one cell",
    ),
    Column("decoding_time", "decoding time", ".2f", "of a beam search, measured likewise"),
    Column(
        "validation_loss",
        "validation loss",
        ".3f",
        "at the end of the training, label-smoothed as it was trained, in bits per token, the mean "
        "over the seeds",
    ),
    Column(
        "on_envelope",
        "envelope",
        "",
        "yes if no other cell has at least its BLEU for fewer "
        "multiply-adds, nor a higher one for as many",
    ),
    Column(
        "notes",
        "notes",
        "",
        "what is missing, and in which settings a seed differs from most of the grid",
    ),
)


def cell_rows(
    grid: GridResults, settings: Sequence[Setting], tests: Mapping[str, Sequence[SeedTest]]
) -> list[Row]:
    """Return one row per cell with every key of ``COLUMNS``, None where there is no value.

    Args:
        grid: its results.
        settings: what ``read_settings`` returned for it.
        tests: those of each cell that has a baseline, by its name.

    Raises:
        UsageError: if a result of the paper's size has flags that do not fit.
    """
    rows = [_row(grid, cell, settings, tests.get(cell.name, [])) for cell in grid.cells]
    mark_envelope(rows)
    by_name = {row["cell"]: row for row in rows}
    for row in rows:
        if (baseline := by_name.get(row["before"])) is not None:
            _compare(row, baseline)
    return rows


def mark_envelope(rows: Sequence[Row]) -> None:
    """Set which of these rows are on their upper envelope, None where there is no score."""
    points = {row["cell"]: (row["gmacs"], row["bleu"]) for row in rows if row["bleu"] is not None}
    best = upper_envelope(points)
    for row in rows:
        row["on_envelope"] = row["cell"] in best if row["cell"] in points else None


def grid_findings(rows: Sequence[Row]) -> list[str]:
    """Return what to look at first in the rows of a grid, as sentences of plain text."""
    scored = [row for row in rows if row["bleu"] is not None]
    if not scored:
        return []
    highest = max(row["bleu"] for row in scored)
    best = [row["cell"] for row in scored if row["bleu"] == highest]
    envelope = sorted((row["gmacs"], row["cell"]) for row in scored if row["on_envelope"])
    findings = [
        f"The highest BLEU is {highest:.2f}, of {', '.join(best)}.",
        "On the upper envelope, from the fewest multiply-adds on: "
        f"{', '.join(cell for _, cell in envelope)}.",
    ]
    compared = [row for row in rows if row["significant"] is not None]
    tested = [row for row in compared if row["significant"] != TOO_FEW]
    if tested:
        significant = [
            f"{row['cell']} ({row['bleu_difference']:+.2f} to {row['before']})"
            for row in tested
            if row["significant"] == "yes"
        ]
        findings.append(
            f"Differences to a baseline that are significant, of {len(tested)} tested: "
            f"{', '.join(significant) or 'none'}."
        )
    if too_few := [row["cell"] for row in compared if row["significant"] == TOO_FEW]:
        findings.append(
            f"Fewer than {MIN_SEEDS} seeds are not enough to say whether these differ from their "
            f"baseline: {', '.join(too_few)}. Run more seeds before you prefer one."
        )
    return findings


def upper_envelope(points: Mapping[str, Point]) -> list[str]:
    """Return the names of the points on the upper envelope, from the cheapest on.

    A point is on it unless another one has at least its score for at most its cost, and is better
    in one of the two. Equal points are on it together.
    """
    best = float("-inf")
    names: list[str] = []
    # Among equal costs the best score comes first.
    for name, (cost, score) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if score > best or (names and points[names[-1]] == (cost, score)):
            names.append(name)
            best = score
    return names


def _row(
    grid: GridResults, cell: CellResults, settings: Sequence[Setting], tests: Sequence[SeedTest]
) -> Row:
    row: Row = {column.key: None for column in COLUMNS}
    row |= {
        "cell": cell.name,
        "state": _state(cell),
        "seeds": f"{len(cell.finished)} of {len(cell.seeds)}",
        "before": cell.baseline,
        "notes": "; ".join(_notes(cell, settings, tests)) or None,
    }
    if grid.name in _PAPER_GRIDS or _is_of_paper(cell):
        row |= _printed(cell)
    if cell.finished:
        row |= _measured(cell.finished)
    if tests:
        row |= _tested(tests)
    if grid.speed is not None:
        times = grid.speed.times.get(cell.name, {})
        row |= {f"{work}_time": time for work, time in times.items() if f"{work}_time" in row}
    return row


def _state(cell: CellResults) -> str:
    if cell.finished:
        return "finished" if len(cell.finished) == len(cell.seeds) else "in part"
    if not cell.runs:
        return "missing"
    return "failed" if any(run.failure for run in cell.runs) else "unfinished"


def _notes(cell: CellResults, settings: Sequence[Setting], tests: Sequence[SeedTest]) -> list[str]:
    if not cell.runs:
        return []
    runs = {run.seed: run for run in cell.runs}
    finished = {run.seed for run in cell.finished}
    notes = [
        f"seed {seed}: {_why_unfinished(runs.get(seed))}"
        for seed in cell.seeds
        if seed not in finished
    ]
    for run in cell.finished:
        unusual = unusual_settings(settings, run)
        notes += [f"seed {run.seed}: differs from most in {name}" for name in unusual]
    return [*notes, *(f"seed {test.seed}: no p" for test in tests if test.problem)]


def _why_unfinished(run: SeedResult | None) -> str:
    if run is None:
        return "missing"
    if run.failure is not None:
        return f"failed: {run.failure}"
    return f"unfinished, update {updates(run.directory / TRAIN_LOG)}"


def _is_of_paper(cell: CellResults) -> bool:
    """Whether the flags of a cell of another grid are those of the paper's cell of its name."""
    flags = _PAPER_FLAGS.get(cell.name)
    results = [run.result for run in cell.finished if run.result is not None]
    own = [{name: r["flags"].get(name) for name in r["varied"]} for r in results]
    return bool(own) and all(each == flags for each in own)


def _printed(cell: CellResults) -> Row:
    bleu = paper.printed("bleu")
    own, baseline = bleu.get(cell.name), bleu.get(cell.baseline or "")
    difference = None if own is None or baseline is None else round(own - baseline, 9)
    return {"paper_bleu": own, "paper_bleu_difference": difference}


def _measured(runs: Sequence[SeedResult]) -> Row:
    results = [run.result for run in runs if run.result is not None]
    bleu = [result["scores"]["bleu"] for result in results]
    speeds = [result["tokens_per_second"] for result in results]
    speeds = [speed for speed in speeds if speed is not None]
    losses = [curves(run.directory / TRAIN_LOG).validation for run in runs]
    last_losses = [loss[max(loss)] for loss in losses if loss]
    # All seeds have the same model, or the notes say that they do not.
    first = results[0]
    return {
        "bleu": fmean(bleu),
        "bleu_deviation": stdev(bleu) if len(bleu) > 1 else None,
        "bleu_compound_split": fmean(result["scores"]["bleu_compound_split"] for result in results),
        "gmacs": first["gmacs"],
        "paper_gmacs": _paper_gmacs(first["arch"], first["flags"]),
        "parameters": first["parameters"],
        "tokens_per_second": median(speeds) if speeds else None,
        "validation_loss": fmean(last_losses) if last_losses else None,
    }


def _paper_gmacs(arch: str, flags: dict[str, Any]) -> float | None:
    if arch != arch_of_size(PAPER_SIZE):
        return None
    try:
        return printed_gflops(read_config(arch, flags))
    except TypeError as error:  # a string where a number belongs
        raise UsageError(f"The flags of a result must fit a model, but are {flags}.") from error


def _tested(tests: Sequence[SeedTest]) -> Row:
    p_values = [f"{test.p_value:.4f}" for test in tests if test.p_value is not None]
    return {
        "p_values": ", ".join(p_values) or None,
        "p_over_seeds": p_over_seeds(tests),
        "significant": verdict(tests),
    }


def _compare(row: Row, baseline: Row) -> None:
    """Set how much more BLEU and multiply-adds a row has than its baseline.

    The difference is not of the same seeds only. A seed has no effect that mechanisms share (on
    Multi30k F = 0.45, p = 0.64), so the mean over more seeds is the better estimate.
    """
    if baseline["bleu"] is None or row["bleu"] is None:
        return
    row["bleu_difference"] = row["bleu"] - baseline["bleu"]
    row["gmacs_percent"] = 100 * (row["gmacs"] / baseline["gmacs"] - 1)
    if row["paper_gmacs"] is not None and baseline["paper_gmacs"] is not None:
        pair: tuple[Any, Any] = (row["before"], row["cell"])
        row["paper_percent"] = paper.printed_percents().get(pair)
