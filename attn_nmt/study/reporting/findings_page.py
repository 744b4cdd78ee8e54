"""A Markdown page about the paper's findings: verdicts, models, Figure 3 (c) and (d), settings.

It is the same, to the byte, whenever it is made from the same results.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from matplotlib.figure import Figure

from attn_nmt.study.reporting.cell_styles import cell_styles
from attn_nmt.study.reporting.comparability import Setting, read_settings
from attn_nmt.study.reporting.figures import bleu_over_gmacs, draw
from attn_nmt.study.reporting.findings import (
    FINDINGS,
    MARGIN,
    VERDICTS,
    Evidence,
    Finding,
    half_width_of_a_pair,
    overall,
    pooled_deviation,
    weigh,
)
from attn_nmt.study.reporting.formats import markdown_escaped, markdown_table
from attn_nmt.study.reporting.results import GridResults
from attn_nmt.study.reporting.results_table import COLUMNS, cell_rows, mark_envelope
from attn_nmt.study.reporting.seed_tests import seed_tests
from attn_nmt.study.tables import Row, shown

_TABLE = (
    "cell",
    "seeds",
    "bleu",
    "bleu_deviation",
    "paper_bleu",
    "bleu_difference",
    "paper_bleu_difference",
    "p_values",
    "p_over_seeds",
    "significant",
    "gmacs",
    "gmacs_percent",
    "training_time",
    "decoding_time",
    "validation_loss",
)
_CROSS = "cross-"
_FULL = "1111"
_FIGURES = {
    "self": "Figure 3 (c): self-attention and what stands beside or in place of it, over the "
    "multiply-adds of whole models (the paper's axis has only those of the attention under study)",
    "cross": "Figure 3 (d): encoder-decoder attention, likewise",
}
_HOW = f"""\
A claim is a contrast of mean BLEU. Its interval of 95 % comes from the deviation over the seeds,
pooled over all models. A gain *holds* if the interval is above 0; it *does not hold* if the
interval is below 0 or within ±{MARGIN}, a margin that was chosen beforehand. Equality *holds* if
the interval is within ±{MARGIN}, and *does not hold* if it is outside. All else is *undecided*.
A finding holds if all of its claims do, does not hold if one of them does not, and is undecided
otherwise; of findings whose claims differ the table counts them.

"Detectable" is the smallest true contrast that these runs would have shown four times of five: as
a gain to be above 0, as an equality to be outside ±{MARGIN}. Intervals are not corrected for the
number of claims, and those that share a model are not independent: if the trainings of 1111
happened to be good ones, every loss against it is overstated. Verdicts go by these intervals. The
test over seeds in the table of models uses only the few differences of one pair of models, and so
has less power."""


def findings_files(grid: GridResults, samples: int, name: str, about: str) -> dict[str, bytes]:
    """Return the page and its figures by file name.

    Args:
        grid: its results; cells are named as ``findings`` names them.
        samples: those of each test within a seed.
        name: of the page, without an ending; those of the figures begin with it.
        about: Markdown to begin with.
    """
    settings = read_settings(grid)
    tests = {
        cell.name: seed_tests(baseline, cell, samples)
        for cell in grid.cells
        if (baseline := grid.cell(cell.baseline)) is not None
    }
    rows = cell_rows(grid, settings, tests)
    figures = _figures(grid, rows)
    parts = [
        about.strip() or f"# {markdown_escaped(grid.name)}",
        "## The findings",
        _HOW,
        *_pooled(grid),
        *_findings(grid),
        "## The models",
        _missing(grid),
        _compared(grid),
        _table(rows),
        *(
            f"![{caption}]({quote(name)}-{part}.svg)\n\n{caption}."
            for part, (caption, _) in figures
        ),
        "## Settings",
        _settings(settings),
    ]
    page = "\n\n".join(part.strip() for part in parts if part) + "\n"
    files = {f"{name}-{part}.svg": svg for part, (_, svg) in figures}
    return {**files, f"{name}.md": page.encode()}


def _scores(grid: GridResults) -> dict[str, list[float]]:
    return {
        cell.name: [run.result["scores"]["bleu"] for run in cell.finished if run.result is not None]
        for cell in grid.cells
    }


def _pooled(grid: GridResults) -> list[str]:
    deviation, freedom = pooled_deviation(_scores(grid))
    if freedom == 0:
        return []
    sentences = [
        f"The pooled standard deviation over seeds is {deviation:.2f} BLEU, with {freedom} "
        f"degree{'s' if freedom > 1 else ''} of freedom."
    ]
    seeds = len(grid.seeds)
    half = half_width_of_a_pair(deviation, freedom, seeds)
    if half >= MARGIN:
        sentences.append(
            f"So the interval of a difference between two models of {seeds} seeds is ±{half:.2f}: "
            "these runs can refute that two models are equal, but cannot show it. A finding with a "
            "claim of equality can therefore be undecided at best."
        )
    return [" ".join(sentences)]


def _findings(grid: GridResults) -> list[str]:
    scores = _scores(grid)
    evidence = [
        (finding, [weigh(claim, scores) for claim in finding.claims]) for finding in FINDINGS
    ]
    summary = [
        [str(number), finding.text, _summary(found)]
        for number, (finding, found) in enumerate(evidence, 1)
    ]
    return [
        markdown_table(["", "finding", "here"], summary),
        *(
            f"**{number}. {markdown_escaped(finding.text)}**\n\n{_claims(finding, found)}"
            for number, (finding, found) in enumerate(evidence, 1)
        ),
    ]


def _summary(evidence: Sequence[Evidence]) -> str:
    """Return the verdict on a finding, and those on its claims, counted, if they differ."""
    verdicts = [found.verdict for found in evidence]
    if len(set(verdicts)) == 1:
        return verdicts[0]
    counts = [f"{each}: {verdicts.count(each)}" for each in VERDICTS if each in verdicts]
    return f"{overall(evidence)} ({', '.join(counts)})"


def _claims(finding: Finding, evidence: Sequence[Evidence]) -> str:
    lines = []
    for claim, found in zip(finding.claims, evidence, strict=True):
        contrast = " ".join(_term(*pair) for pair in claim.weights.items()).removeprefix("+ ")
        expected = "> 0" if claim.is_gain else "= 0"
        lines.append(
            [
                claim.text,
                f"{contrast} {expected}",
                _interval(found),
                "" if found.detectable is None else f"{found.detectable:.2f}",
                "" if found.paper is None else f"{found.paper:+.1f}",
                found.verdict,
            ]
        )
    return markdown_table(["claim", "contrast", "BLEU", "detectable", "paper", "here"], lines)


def _term(cell: str, weight: float) -> str:
    factor = "" if abs(weight) == 1 else f"{abs(weight):g} · "
    return f"{'+' if weight > 0 else '-'} {factor}{cell}"


def _interval(found: Evidence) -> str:
    if found.estimate is None:
        return ""
    half = "" if found.half_width is None else f" ± {found.half_width:.2f}"
    return f"{found.estimate:+.2f}{half}"


def _missing(grid: GridResults) -> str:
    missing = [cell.name for cell in grid.cells if not cell.finished]
    in_part = [
        f"{cell.name} ({len(cell.finished)} of {len(cell.seeds)})"
        for cell in grid.cells
        if 0 < len(cell.finished) < len(cell.seeds)
    ]
    sentences = [f"Of {grid.planned_count} trainings, {len(grid.finished)} are finished."]
    if in_part:
        sentences.append(f"In part: {', '.join(in_part)}.")
    if missing:
        sentences.append(f"Not yet trained: {', '.join(missing)}.")
    return " ".join(sentences)


def _compared(grid: GridResults) -> str:
    baselines = sorted({cell.baseline for cell in grid.cells if cell.baseline is not None})
    sentences = [f"Differences are to {' or '.join(baselines)}."] if baselines else []
    if (speed := grid.speed) is not None:
        sentences.append(
            f"Times are relative to {speed.baseline}: a training step of {speed.tokens:,} target "
            f"tokens and a search for {speed.sentences} sentences with beam {speed.beam}, of "
            f"models of the size {markdown_escaped(speed.size)} with a vocabulary of "
            f"{speed.vocabulary:,}, on {markdown_escaped(speed.processor)}, "
            f"{speed.threads} thread{'s' if speed.threads > 1 else ''}, {speed.rounds} rounds."
        )
    return " ".join(sentences)


def _table(rows: Sequence[Row]) -> str:
    by_key = {column.key: column for column in COLUMNS}
    keys, texts = shown(list(rows), {key: by_key[key].form for key in _TABLE})
    table = markdown_table([by_key[key].heading for key in keys], texts)
    legend = "".join(
        f"- {markdown_escaped(by_key[key].heading)}: {markdown_escaped(by_key[key].meaning)}\n"
        for key in keys
    )
    return f"{table}\n{legend}"


def _figures(grid: GridResults, rows: Sequence[Row]) -> list[tuple[str, tuple[str, bytes]]]:
    """Return for each figure its name, its caption and the SVG."""
    if not grid.finished:
        return []
    length = grid.finished[0].result["length"]  # type: ignore[index]
    styles = cell_styles([cell.name for cell in grid.cells])
    figures = []
    for part, caption in _FIGURES.items():
        is_cross = part == "cross"
        chosen = [
            dict(row)
            for row in rows
            if row["bleu"] is not None
            and (row["cell"] == _FULL or row["cell"].startswith(_CROSS) == is_cross)
        ]
        if not chosen:
            continue
        mark_envelope(chosen)

        def make(chosen: list[Row] = chosen) -> Figure:
            return bleu_over_gmacs(chosen, length, styles)

        figures.append((part, (caption, draw(make, caption)["svg"])))
    return figures


def _settings(settings: Sequence[Setting]) -> str:
    return "".join(
        f"- {markdown_escaped(setting.name)}: {markdown_escaped(' / '.join(setting.description))}\n"
        for setting in settings
    )
