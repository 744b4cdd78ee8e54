"""``plan``: print the commands that train and score a grid, with what each model costs."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from typing import Any

from attn_nmt.command_line import positive
from attn_nmt.study.commands.plan_options import USAGE, add_plan_options, planned
from attn_nmt.study.costs.model import mechanism_costs
from attn_nmt.study.costs.rows import GIGA
from attn_nmt.study.grids.plan import Run


def add_parser(commands: Any) -> None:
    """Add the parser of ``plan`` to the subparsers of the study."""
    parser: ArgumentParser = commands.add_parser(
        "plan",
        usage=USAGE,
        help="the commands that train and score a grid, without running them",
        description="Print a shell script, to be run in this environment, that trains every cell "
        "of a grid with every seed, by the recipe of train.sh, and scores it. Flags that are not "
        "known here go to train.sh as they are.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--length",
        metavar="N",
        type=positive("--length"),
        default=50,
        help="tokens of each side for the costs; 50",
    )
    add_plan_options(parser)
    parser.set_defaults(run=print_plan, passes_flags_on=True)


def print_plan(options: Namespace) -> None:
    """Print the commands, cell by cell, each behind a comment with its costs."""
    runs = planned(options)
    print(f"# {len(runs)} trainings; costs of a pair of sentences, {options.length} tokens each")
    for run in runs:
        if run.seed == options.seeds[0]:
            print(f"\n# {_costs(run, options.length)}")
        print(shlex.join(run.train), shlex.join(run.evaluate), sep="\n")


def _costs(run: Run, length: int) -> str:
    parts = mechanism_costs(run.config, length)
    gmacs = sum(part.multiply_adds for part in parts) / GIGA
    parameters = sum(part.parameters for part in parts)
    return f"{run.cell.name}: {gmacs:.3f} G multiply-adds, {parameters:,} parameters"
