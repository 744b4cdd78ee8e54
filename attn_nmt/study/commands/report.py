"""``report``: the results of ``run`` as a page, tables and figures."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from attn_nmt.atomic import replacing
from attn_nmt.command_line import UsageError, positive
from attn_nmt.study.paired_tests import TESTS, read_lines
from attn_nmt.study.reporting.results import find_grids
from attn_nmt.study.reporting.seed_tests import WITHIN_SEEDS

_DIRECTORY = "report"


def add_parser(commands: Any) -> None:
    """Add the parser of ``report`` to the subparsers of the study."""
    parser: ArgumentParser = commands.add_parser(
        "report",
        help="the results of `run` as a page, tables and figures",
        description="Write one HTML page that needs no network, and for each grid the table as "
        "CSV, Markdown and LaTeX and the figures as SVG and PNG. Unfinished runs are shown as "
        "missing. In the paper's tables each cell is compared with the one before it; other grids "
        "need --baseline.",
        allow_abbrev=False,
    )
    add_runs_options(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, help="default: RUNS/report")
    parser.add_argument(
        "--findings",
        metavar="FILE.md",
        type=Path,
        help="instead, write one Markdown page that says which of the paper's findings hold in a "
        "grid whose cells are named like the paper's, and its figures beside it",
    )
    parser.add_argument(
        "--about", metavar="FILE.md", type=Path, help="what the page of --findings begins with"
    )
    parser.set_defaults(run=write_report, passes_flags_on=False)


def add_runs_options(parser: ArgumentParser) -> None:
    """Add where the runs are, what each cell is compared with, and how."""
    parser.add_argument(
        "runs",
        metavar="RUNS",
        type=Path,
        help="the directory of `run --out`, or of one grid in it",
    )
    parser.add_argument(
        "--baseline",
        metavar="CELL",
        help="compare every other cell with this one, in each grid that has it",
    )
    parser.add_argument(
        "--samples",
        metavar="N",
        type=positive("--samples"),
        default=TESTS[WITHIN_SEEDS],
        help=f"of each test within a seed; default: {TESTS[WITHIN_SEEDS]}",
    )


def write_report(options: Namespace) -> None:
    """Write every file, each atomically, and print the path of the page.

    Raises:
        UsageError: if there are no runs or one is broken; then nothing is written.
        OSError: if a file cannot be written.
    """
    # Here, since no other command of the study should wait for matplotlib.
    from attn_nmt.study.reporting.report_files import PAGE, report_files

    if options.findings is not None:
        _write_findings(options)
        return
    if options.about is not None:
        raise UsageError(f"--about must be given with --findings, but is {options.about} alone.")
    date = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    files = report_files(find_grids(options.runs, options.baseline), options.samples, date)
    out = options.out or options.runs / _DIRECTORY
    _write(out, files)
    print(out / PAGE)


def _write_findings(options: Namespace) -> None:
    from attn_nmt.study.reporting.findings_page import findings_files

    page = options.findings
    if page.suffix != ".md":
        raise UsageError(f"--findings must be a file that ends in .md, but is {page}.")
    if options.out is not None:
        raise UsageError(f"--out must be left out with --findings, but is {options.out}.")
    grid, *others = find_grids(options.runs, options.baseline)
    if others:
        names = ", ".join(one.name for one in (grid, *others))
        raise UsageError(
            f"RUNS must be the directory of one grid with --findings, but {options.runs} holds "
            f"{names}."
        )
    about = ""
    if options.about is not None:
        about = "\n".join(read_lines(options.about, "--about must be a file of plain text"))
    _write(page.parent, findings_files(grid, options.samples, page.stem, about))
    print(page)


def _write(directory: Path, files: Mapping[str, bytes]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with replacing(directory / name) as unfinished:
            unfinished.write_bytes(content)
