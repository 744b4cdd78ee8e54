"""Every file of a report: the page, and of each grid the table and the figures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from attn_nmt.study.reporting import latex, markdown
from attn_nmt.study.reporting.cautions import cautions
from attn_nmt.study.reporting.columns import COLUMNS, Column
from attn_nmt.study.reporting.curves import learning_curves
from attn_nmt.study.reporting.figures import draw
from attn_nmt.study.reporting.found import FoundGrid
from attn_nmt.study.reporting.page import Line, Picture, Section, page
from attn_nmt.study.reporting.rows import cell_rows
from attn_nmt.study.reporting.scatter import bleu_over_gmacs
from attn_nmt.study.reporting.settings import settings, told
from attn_nmt.study.reporting.significance import SeedTest, seed_tests
from attn_nmt.study.running.run_directory import TRAIN_LOG
from attn_nmt.study.running.training_log import curves
from attn_nmt.study.tables import Row, render, shown

PAGE = "report.html"


@dataclass(frozen=True)
class _Drawn:
    """A figure as files and as a part of the page."""

    name: str
    caption: str
    alt: str
    files: dict[str, bytes]


def report_files(grids: Sequence[FoundGrid], samples: int) -> dict[str, bytes]:
    """Return the content of every file by its name, the page last.

    Args:
        grids: what there is.
        samples: those of each paired bootstrap.

    Raises:
        UsageError: if a result of the paper's size has flags that do not fit.
    """
    files: dict[str, bytes] = {}
    sections = []
    for grid in grids:
        section, of_grid = _grid_files(grid, samples)
        sections.append(section)
        files |= of_grid
    names = ", ".join(grid.name for grid in grids)
    return files | {PAGE: page(f"attn_nmt study: {names}", sections).encode()}


def _grid_files(grid: FoundGrid, samples: int) -> tuple[Section, dict[str, bytes]]:
    found, tests = settings(grid), _tests(grid, samples)
    rows = cell_rows(grid, found, tests)
    keys, texts = shown(rows, {column.key: column.form for column in COLUMNS})
    drawn = [*_scatter(grid, rows), *_curves(grid)]
    section = Section(
        grid.name,
        _summary(grid),
        cautions(grid, found, tests, rows),
        [column for column in COLUMNS if column.key in keys],
        [Line(line, row["bleu"] is not None) for line, row in zip(texts, rows, strict=True)],
        [
            Picture(one.caption, one.alt, base64.b64encode(one.files["svg"]).decode())
            for one in drawn
        ],
        [*((one.name, told(one)) for one in found), *_bootstrap(tests, samples)],
    )
    pictures = {
        f"{one.name}.{form}": content for one in drawn for form, content in one.files.items()
    }
    tables = {
        f"{grid.name}.csv": render(rows, "csv", {}),
        f"{grid.name}.md": _markdown(section, [f"{one.name}.svg" for one in drawn]),
        f"{grid.name}.tex": _latex(section),
    }
    return section, {name: text.encode() for name, text in tables.items()} | pictures


def _tests(grid: FoundGrid, samples: int) -> dict[str, list[SeedTest]]:
    pairs = [
        (before, cell) for cell in grid.cells if (before := grid.cell(cell.before)) is not None
    ]
    shown_pairs = tqdm(pairs, desc=f"{grid.name}: significance", disable=None, leave=False)
    return {cell.name: seed_tests(before, cell, samples) for before, cell in shown_pairs}


def _summary(grid: FoundGrid) -> str:
    failed = sum(run.result is None and run.failure is not None for run in grid.runs)
    return (
        f"{len(grid.finished)} of {len(grid.cells) * len(grid.seeds)} runs are finished, "
        f"{failed} failed. Cells: {len(grid.cells)}. Seeds: {', '.join(map(str, grid.seeds))}."
    )


def _bootstrap(tests: dict[str, list[SeedTest]], samples: int) -> list[tuple[str, list[str]]]:
    if not any(tests.values()):
        return []
    return [("p", [f"sacreBLEU's paired bootstrap, {samples} samples"])]


def _scatter(grid: FoundGrid, rows: Sequence[Row]) -> list[_Drawn]:
    scored = [row for row in rows if row["bleu"] is not None]
    if not scored:
        return []
    length = grid.finished[0].result["length"]  # type: ignore[index]
    caption = f"{grid.name}: BLEU over GFLOPs, with the upper envelope"
    best = ", ".join(row["cell"] for row in scored if row["on_envelope"])
    alt = f"A point for each of {len(scored)} cells; on the envelope: {best}. See the table."
    files = draw(lambda: bleu_over_gmacs(scored, length), caption)
    return [_Drawn(f"{grid.name}-bleu-over-gflops", caption, alt, files)]


def _curves(grid: FoundGrid) -> list[_Drawn]:
    read = [
        (cell.name, [curves(run.folder / TRAIN_LOG) for run in cell.runs]) for cell in grid.cells
    ]
    drawn = [
        (name, seeds)
        for name, seeds in read
        if any(one.training or one.validation for one in seeds)
    ]
    if not drawn:
        return []
    caption = f"{grid.name}: learning curves"
    alt = f"Losses over updates of {len(drawn)} cells: {', '.join(name for name, _ in drawn)}."
    files = draw(lambda: learning_curves(drawn), caption)
    return [_Drawn(f"{grid.name}-learning-curves", caption, alt, files)]


def _markdown(section: Section, figures: Sequence[str]) -> str:
    def listed(items: Sequence[str]) -> str:
        return "".join(f"- {markdown.escaped(item)}\n" for item in items) + "\n" * bool(items)

    table = markdown.table(_headings(section.columns), [line.texts for line in section.lines])
    pictures = "".join(
        f"![{markdown.escaped(picture.alt)}](<{name}>)\n\n"
        for name, picture in zip(figures, section.figures, strict=True)
    )
    return (
        f"# {markdown.escaped(section.name)}\n\n{markdown.escaped(section.summary)}\n\n"
        f"{listed(section.cautions)}{table}\n"
        + listed([f"{column.heading}: {column.meaning}" for column in section.columns])
        + pictures
        + listed([f"{name}: {' / '.join(values)}" for name, values in section.settings])
    )


def _latex(section: Section) -> str:
    meanings = [f"{column.heading}: {column.meaning}" for column in section.columns]
    remarks = [section.name, section.summary, *section.cautions, *meanings]
    lines = [line.texts for line in section.lines]
    return latex.table(_headings(section.columns), lines, remarks)


def _headings(columns: Sequence[Column]) -> list[str]:
    return [column.heading for column in columns]
