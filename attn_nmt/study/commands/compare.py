"""``compare``: whether systems differ in BLEU by more than chance."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from attn_nmt.command_line import UsageError, positive
from attn_nmt.study.flags import one_of
from attn_nmt.study.paired_tests import (
    LEVEL,
    TESTS,
    common_reference,
    compare,
    find_system,
    read_lines,
)
from attn_nmt.study.tables import render

_COLUMNS = {
    "system": "",
    "bleu": ".2f",
    "mean": ".2f",
    "interval": ".2f",
    "p_value": ".4f",
    "significant": "",
}
_TEST_NAMES = {"bs": "paired bootstrap", "ar": "approximate randomisation"}
_NOTES = {
    "bs": "sacreBLEU's bootstrap counts one side only; --test ar counts both, so its p is about "
    "twice that.\n",
    "ar": "",
}
_LEGEND = """\

p_value: of {test} against {first}; significant below {level}.
{note}\
mean, interval: of bootstrap samples; 95 % of them lie within mean - interval and mean + interval.
reference: {reference}
signature: {signature}
"""


def add_parser(commands: Any) -> None:
    """Add the parser of ``compare`` to the subparsers of the study."""
    parser: ArgumentParser = commands.add_parser(
        "compare",
        help="whether systems differ in BLEU by more than chance",
        description="Compute the BLEU of several systems, and by sacreBLEU's paired tests whether "
        "each differs from the first.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "systems",
        metavar="SYSTEM",
        nargs="+",
        help="the directory of a run, one of its evaluation-SPLIT, or a file with one translation "
        "per line; the first is the baseline",
    )
    parser.add_argument(
        "--test",
        type=one_of("--test", tuple(TESTS)),
        default="bs",
        help="bs, paired bootstrap (the default), one-sided, or ar, approximate randomisation, "
        "two-sided",
    )
    parser.add_argument(
        "--samples",
        metavar="N",
        type=positive("--samples"),
        help="default: 1000 for bs, 10000 for ar",
    )
    parser.add_argument(
        "--reference",
        metavar="FILE",
        type=Path,
        help="raw text, one sentence per line; default: that of the runs' data",
    )
    parser.add_argument(
        "--format",
        type=one_of("--format", ("table", "json")),
        default="table",
        help="table, or json with one object per line",
    )
    parser.set_defaults(run=print_comparison, passes_flags_on=False)


def print_comparison(options: Namespace) -> None:
    """Print one row per system, and a legend below a table.

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
    print(render(rows, options.format, _COLUMNS), end="")
    if options.format == "table":
        legend = _LEGEND.format(
            test=_TEST_NAMES[options.test],
            first=systems[0].name,
            level=LEVEL,
            note=_NOTES[options.test],
            reference=reference,
            signature=rows[0]["signature"],
        )
        print(legend, end="")
