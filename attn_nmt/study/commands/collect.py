"""``collect``: copy finished runs into a directory that is small enough to commit."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from attn_nmt.study.commands.report import add_runs_options
from attn_nmt.study.reporting.collection import collect
from attn_nmt.study.reporting.results import find_grids


def add_parser(commands: Any) -> None:
    """Add the parser of ``collect`` to the subparsers of the study."""
    parser: ArgumentParser = commands.add_parser(
        "collect",
        help="copy what `report` needs of finished runs into a small directory",
        description="Copy results, translations, losses and environments, but no checkpoints and "
        "no corpus, and record the tests within seeds, so that `report` needs no corpus. Runs of "
        "several machines can be collected in one directory. Copied back into RUNS, with the "
        "corpus where it was, they are finished runs.",
        allow_abbrev=False,
    )
    add_runs_options(parser)
    parser.add_argument("out", metavar="DIR", type=Path, help="the collection")
    parser.set_defaults(run=collect_runs, passes_flags_on=False)


def collect_runs(options: Namespace) -> None:
    """Copy every finished run, and print how many there are.

    Raises:
        UsageError: if there are no runs, one is broken, or DIR holds another result of one.
        OSError: if a file cannot be written.
    """
    grids = find_grids(options.runs, options.baseline)
    copied = collect(grids, options.out, options.samples)
    print(f"finished runs of {options.runs} that are now in {options.out}: {len(copied)}")
