"""``plan``: print the commands that train and score a grid, with what each model costs."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from attn_nmt.command_line import positive
from attn_nmt.models.architectures import SIZES
from attn_nmt.study.cost_rows import GIGA
from attn_nmt.study.costs import mechanisms
from attn_nmt.study.grids import GRIDS, grid
from attn_nmt.study.model_flags import add_model_flags, given_flags
from attn_nmt.study.plan import Run, plan


def add_parser(commands: Any) -> None:
    """Add the parser of ``plan`` to the subparsers of the study."""
    parser: ArgumentParser = commands.add_parser(
        "plan",
        help="the commands that train and score a grid, without running them",
        description="Print a shell script that trains every cell of a grid with every seed, and "
        "scores it. Flags that are not known here go to fairseq-train as they are.",
        allow_abbrev=False,
    )
    parser.add_argument("grid", metavar="GRID", help=f"{', '.join(GRIDS)}, or a YAML file")
    parser.add_argument("--size", required=True, help=f"of the models: {', '.join(SIZES)}")
    parser.add_argument("--seeds", metavar="N", nargs="+", type=positive("--seeds"), default=[1],
                        help="one training each; 1")  # fmt: skip
    parser.add_argument("--data-bin", metavar="DATA_BIN", type=Path, required=True,
                        help="what fairseq-train reads")  # fmt: skip
    parser.add_argument("--out", metavar="RUNS", type=Path, default=Path("runs"),
                        help="checkpoints go to RUNS/GRID/CELL/seedN; runs")  # fmt: skip
    parser.add_argument("--length", metavar="N", type=positive("--length"), default=50,
                        help="tokens of each side for the costs; 50")  # fmt: skip
    add_model_flags(parser)
    parser.set_defaults(run=print_plan, passes_flags_on=True)


def print_plan(options: Namespace) -> None:
    """Print the commands, cell by cell, each behind a comment with its costs."""
    runs = plan(
        grid(options.grid),
        size=options.size,
        seeds=options.seeds,
        data_bin=options.data_bin,
        out=options.out / Path(options.grid).stem,
        model_flags=given_flags(options),
        train_flags=options.more,
    )
    print(f"# {len(runs)} trainings; costs of a pair of sentences, {options.length} tokens each")
    for run in runs:
        if run.seed == options.seeds[0]:
            print(f"\n# {_costs(run, options.length)}")
        print(shlex.join(run.train), shlex.join(run.evaluate), sep="\n")


def _costs(run: Run, length: int) -> str:
    parts = mechanisms(run.config, length)
    gmacs = sum(part.multiply_adds for part in parts) / GIGA
    parameters = sum(part.parameters for part in parts)
    return f"{run.cell.name}: {gmacs:.3f} G multiply-adds, {parameters:,} parameters"
