"""Every file of a report: the page, and the table and figures of each grid."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence

from matplotlib.figure import Figure

from attn_nmt.progress import track
from attn_nmt.study.reporting.cell_styles import CellStyle, cell_styles
from attn_nmt.study.reporting.comparability import grid_warnings, read_settings
from attn_nmt.study.reporting.figures import bleu_over_gmacs, draw, learning_curves
from attn_nmt.study.reporting.formats import (
    Line,
    Picture,
    Section,
    html_page,
    latex_section,
    markdown_section,
)
from attn_nmt.study.reporting.results import GridResults
from attn_nmt.study.reporting.results_table import COLUMNS, cell_rows, grid_findings
from attn_nmt.study.reporting.seed_tests import SeedTest, seed_tests
from attn_nmt.study.running.run_directory import TRAIN_LOG
from attn_nmt.study.running.training_log import curves
from attn_nmt.study.tables import Row, render, shown

PAGE = "report.html"

_Figure = tuple[Picture, dict[str, bytes]]
"""A figure for the page, and the content of its files by their names."""


def report_files(grids: Sequence[GridResults], samples: int, date: str) -> dict[str, bytes]:
    """Return the content of every file by its name, the page last.

    Args:
        grids: their results.
        samples: those of each test within a seed.
        date: of the report, which only the page says.

    Raises:
        UsageError: if a result of the paper's size has flags that do not fit.
    """
    files: dict[str, bytes] = {}
    sections = []
    for grid in grids:
        section, grid_files = _grid_files(grid, samples)
        sections.append(section)
        files |= grid_files
    names = ", ".join(grid.name for grid in grids)
    page = html_page(f"attn_nmt study: {names}", date, sections)
    return files | {PAGE: page.encode()}


def _grid_files(grid: GridResults, samples: int) -> tuple[Section, dict[str, bytes]]:
    settings, tests = read_settings(grid), _tests(grid, samples)
    rows = cell_rows(grid, settings, tests)
    keys, texts = shown(rows, {column.key: column.form for column in COLUMNS})
    styles = cell_styles([cell.name for cell in grid.cells])
    figures = [*_scatter(grid, rows, styles), *_learning_curves(grid, styles)]
    section = Section(
        name=grid.name,
        summary=_summary(grid),
        findings=grid_findings(rows),
        warnings=grid_warnings(grid, settings, tests, rows),
        columns=[column for column in COLUMNS if column.key in keys],
        lines=[Line(line, row["bleu"] is not None) for line, row in zip(texts, rows, strict=True)],
        pictures=[picture for picture, _ in figures],
        settings=[
            *((setting.name, setting.description) for setting in settings),
            *_within_seeds(tests, samples),
        ],
    )
    files = {
        f"{grid.name}.csv": render(rows, "csv", {}).encode(),
        f"{grid.name}.md": markdown_section(section).encode(),
        f"{grid.name}.tex": latex_section(section).encode(),
    }
    for _, figure_files in figures:
        files |= figure_files
    return section, files


def _tests(grid: GridResults, samples: int) -> dict[str, list[SeedTest]]:
    pairs = [
        (baseline, cell)
        for cell in grid.cells
        if (baseline := grid.cell(cell.baseline)) is not None
    ]
    progress = track(pairs, f"{grid.name}: significance", unit="cells")
    return {cell.name: seed_tests(baseline, cell, samples) for baseline, cell in progress}


def _summary(grid: GridResults) -> str:
    failed = sum(run.result is None and run.failure is not None for run in grid.runs)
    return (
        f"{len(grid.finished)} of {grid.planned_count} runs are finished, "
        f"{failed} failed. Cells: {len(grid.cells)}. Seeds: {', '.join(map(str, grid.seeds))}."
    )


def _within_seeds(
    tests: Mapping[str, Sequence[SeedTest]], samples: int
) -> list[tuple[str, list[str]]]:
    if not any(tests.values()):
        return []
    return [("p within seeds", [f"sacreBLEU's approximate randomisation, {samples} samples"])]


def _scatter(
    grid: GridResults, rows: Sequence[Row], styles: Mapping[str, CellStyle]
) -> list[_Figure]:
    scored = [row for row in rows if row["bleu"] is not None]
    if not scored:
        return []
    length = grid.finished[0].result["length"]  # type: ignore[index]
    best = ", ".join(row["cell"] for row in scored if row["on_envelope"])
    return [
        _figure(
            f"{grid.name}-bleu-over-gmacs",
            f"{grid.name}: BLEU over GMACs. The names of cells on the upper envelope are bold: no "
            "cell has a higher score for as few multiply-adds. Bars are standard deviations.",
            f"A point for each of {len(scored)} cells; on the envelope: {best}. See the table.",
            lambda: bleu_over_gmacs(scored, length, styles),
        )
    ]


def _learning_curves(grid: GridResults, styles: Mapping[str, CellStyle]) -> list[_Figure]:
    cells = [
        (cell.name, [curves(run.directory / TRAIN_LOG) for run in cell.runs]) for cell in grid.cells
    ]
    logged = [
        (name, seeds)
        for name, seeds in cells
        if any(seed.training or seed.validation for seed in seeds)
    ]
    if not logged:
        return []
    names = ", ".join(name for name, _ in logged)
    return [
        _figure(
            f"{grid.name}-learning-curves",
            f"{grid.name}: learning curves, one line per seed; a cell has the same colour in all "
            "figures.",
            f"Losses over updates of {len(logged)} cells: {names}.",
            lambda: learning_curves(logged, styles),
        )
    ]


def _figure(name: str, caption: str, alt: str, make: Callable[[], Figure]) -> _Figure:
    contents = draw(make, caption)
    picture = Picture(name, caption, alt, base64.b64encode(contents["svg"]).decode())
    return picture, {f"{name}.{form}": content for form, content in contents.items()}
