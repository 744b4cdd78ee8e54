"""``compare``: whether systems differ in BLEU by more than chance."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from attn_nmt.command_line import UsageError, positive
from attn_nmt.study.comparing.significance import LEVEL, TESTS, compare
from attn_nmt.study.comparing.systems import common_reference, find_system, read_lines
from attn_nmt.study.grids.settings import one_of
from attn_nmt.study.tables import render

COLUMNS = {
    "system": "",
    "bleu": ".2f",
    "mean": ".2f",
    "interval": ".2f",
    "p_value": ".4f",
    "significant": "",
}
NAMES = {"bs": "paired bootstrap", "ar": "approximate randomisation"}
NOTE = """\

p_value: of {test} against {first}; significant below {level}.
mean, interval: of bootstrap samples; 95 % of them lie within mean - interval and mean + interval.
reference: {reference}
signature: {signature}
"""


def add_parser(commands: Any) -> None:
    """Add the parser of ``compare`` to the subparsers of the study."""
    parser: ArgumentParser = commands.add_parser(
        "compare",
        help="whether systems differ in BLEU by more than chance",
        description="BLEU of several systems, and by sacreBLEU's paired tests whether each "
        "differs from the first.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "systems",
        metavar="SYSTEM",
        nargs="+",
        help="the folder of a run, or one of its evaluation-SPLIT, or a file with "
        "a translation a line; the first is what the others are compared "
        "to",
    )
    parser.add_argument(
        "--test",
        type=one_of("--test", tuple(TESTS)),
        default="bs",
        help="bs, paired bootstrap (the default), or ar, approximate randomisation",
    )
    parser.add_argument(
        "--samples", metavar="N", type=positive("--samples"), help="1000 of bs, 10000 of ar"
    )
    parser.add_argument(
        "--reference",
        metavar="FILE",
        type=Path,
        help="raw text, a sentence a line; that of the runs' data",
    )
    parser.add_argument(
        "--format",
        type=one_of("--format", ("table", "json")),
        default="table",
        help="table or json, which is one object a line",
    )
    parser.set_defaults(run=print_comparison, passes_flags_on=False)


def print_comparison(options: Namespace) -> None:
    """Print a row a system, and below a table what the columns mean.

    Raises:
        UsageError: if a system or the reference cannot be used.
    """
    if len(options.systems) < 2:
        raise UsageError("SYSTEM must be given at least twice, but is given once.")
    systems = [find_system(name) for name in options.systems]
    reference = options.reference or common_reference(systems)
    references = read_lines(reference, "--reference must be a file of plain text")
    rows = compare(systems, references, options.test, options.samples)
    for row in rows:
        row["reference"] = str(reference)
    print(render(rows, options.format, COLUMNS), end="")
    if options.format == "table":
        print(
            NOTE.format(
                test=NAMES[options.test],
                first=systems[0].name,
                level=LEVEL,
                reference=reference,
                signature=rows[0]["signature"],
            ),
            end="",
        )
