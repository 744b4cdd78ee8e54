"""``report``: the results of ``run`` as a page, tables and figures."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import datetime
from pathlib import Path
from typing import Any

from attn_nmt.atomic import replacing
from attn_nmt.command_line import positive
from attn_nmt.study.paired_tests import TESTS
from attn_nmt.study.reporting.results import find_grids

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
    parser.add_argument(
        "runs",
        metavar="RUNS",
        type=Path,
        help="the directory of `run --out`, or of one grid in it",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="default: RUNS/report")
    parser.add_argument(
        "--baseline",
        metavar="CELL",
        help="compare every other cell with this one, in each grid that has it",
    )
    parser.add_argument(
        "--samples",
        metavar="N",
        type=positive("--samples"),
        default=TESTS["bs"],
        help=f"of each paired bootstrap; default: {TESTS['bs']}",
    )
    parser.set_defaults(run=write_report, passes_flags_on=False)


def write_report(options: Namespace) -> None:
    """Write every file atomically, and print the path of the page.

    Raises:
        UsageError: if there are no runs or one is broken; then nothing is written.
        OSError: if a file cannot be written.
    """
    # Here, since no other command of the study should wait for matplotlib.
    from attn_nmt.study.reporting.report_files import PAGE, report_files

    date = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    files = report_files(find_grids(options.runs, options.baseline), options.samples, date)
    out = options.out or options.runs / _DIRECTORY
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with replacing(out / name) as unfinished:
            unfinished.write_bytes(content)
    print(out / PAGE)
