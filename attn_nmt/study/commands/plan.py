"""``plan``: print the commands that train and score a grid, with what each model costs.

Its options are also those of ``run``, which runs these commands.
"""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attn_nmt.command_line import UsageError, positive
from attn_nmt.models.architectures import SIZES
from attn_nmt.study.flags import add_model_flags, explicit_flags
from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.grids.grid_files import read_grid
from attn_nmt.study.grids.runs import AVERAGED, Run, plan_runs, require_train_flags
from attn_nmt.study.model_costs import GIGA, mechanism_costs
from attn_nmt.study.training_time import (
    MEASURE,
    NO_ESTIMATE,
    as_text,
    estimated_seconds,
    read_corpus,
    read_rate,
)

USAGE = (
    "%(prog)s GRID --size SIZE --data-bin DATA_BIN [options] "
    "[flags of the models and of attn-nmt train]"
)


def add_parser(commands: Any) -> None:
    """Add the parser of ``plan`` to the subparsers of the study."""
    parser: ArgumentParser = commands.add_parser(
        "plan",
        usage=USAGE,
        help="print the commands that train and score a grid",
        description="Print a shell script, to be run in this environment, that trains every cell "
        "of a grid with every seed, by the recipe of `attn-nmt train`, and scores it. Flags that "
        "this command does not know are passed to `attn-nmt train`.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--length",
        metavar="N",
        type=positive("--length"),
        default=50,
        help="tokens on each side, for the costs; default: 50",
    )
    parser.add_argument(
        "--rate",
        metavar="RATE",
        default=MEASURE,
        help="for the estimate of time, multiply-adds per second in training: a number such as "
        "4e10; FILE.json of `attn-nmt benchmark training --json`; measure, in a few steps of the "
        "first cell on this machine; or none, for no estimate; default: measure",
    )
    add_plan_options(parser)
    parser.set_defaults(run=print_plan, passes_flags_on=True)


def add_plan_options(parser: ArgumentParser) -> None:
    """Add everything that determines a plan; unknown flags are for the training."""
    parser.add_argument("grid", metavar="GRID", help=f"{', '.join(GRIDS)}, or a YAML file")
    parser.add_argument("--size", required=True, help=f"of the models: {', '.join(SIZES)}")
    parser.add_argument(
        "--seeds",
        metavar="N",
        nargs="+",
        type=positive("--seeds"),
        default=[1],
        help="one training per seed; default: 1",
    )
    parser.add_argument(
        "--data-bin", metavar="DATA_BIN", type=Path, required=True, help="what fairseq-train reads"
    )
    parser.add_argument(
        "--out",
        metavar="RUNS",
        type=Path,
        default=Path("runs"),
        help="checkpoints are saved in RUNS/GRID/CELL/seedN; default: runs",
    )
    parser.add_argument(
        "--average",
        metavar="N",
        type=positive("--average"),
        default=AVERAGED,
        help=f"score the average of the last N checkpoints; default: {AVERAGED}",
    )
    add_model_flags(parser)


def grid_directory(options: Namespace) -> Path:
    """Return the directory of all runs of the grid."""
    return Path(options.out) / Path(options.grid).stem


def planned_runs(options: Namespace) -> list[Run]:
    """Return the runs that the options describe.

    Raises:
        UsageError: if an option breaks its rule.
    """
    runs = plan_runs(
        read_grid(options.grid),
        size=options.size,
        seeds=options.seeds,
        data_bin=options.data_bin,
        out=grid_directory(options),
        model_flags=explicit_flags(options),
        train_flags=options.more,
        average=options.average,
    )
    if not options.data_bin.is_dir():
        raise UsageError(f"--data-bin must be a directory, but {options.data_bin} is not one.")
    known_here = ["--" + name.replace("_", "-") for name in vars(options)]
    # The flags of the models are checked already.
    for run in {(run.arch, str(run.cell.train_flags)): run for run in runs}.values():
        require_train_flags(run, known_here)
    return runs


def print_plan(options: Namespace) -> None:
    """Print the commands of each cell after a comment with its costs.

    Raises:
        UsageError: if an option breaks its rule, or there is no rate in the file of ``--rate``.
    """
    runs = planned_runs(options)
    times = _times(options.rate, runs)
    print(f"# {len(runs)} trainings; costs of a sentence pair, {options.length} tokens each")
    print(*(f"# {line}" for line in times.summary), sep="\n")
    for run in runs:
        if run.seed == options.seeds[0]:
            parts = mechanism_costs(run.config, options.length)
            gmacs = sum(part.multiply_adds for part in parts) / GIGA
            parameters = sum(part.parameters for part in parts)
            time = times.by_cell.get(run.cell.name, "")
            print(
                f"\n# {run.cell.name}: {gmacs:.3f} G multiply-adds, {parameters:,} parameters{time}"
            )
        print(shlex.join(run.train), shlex.join(run.evaluate), sep="\n")


@dataclass(frozen=True)
class _Times:
    """The estimates of a plan, as text."""

    summary: list[str]
    by_cell: dict[str, str] = field(default_factory=dict)


def _times(rate_text: str, runs: Sequence[Run]) -> _Times:
    if rate_text == NO_ESTIMATE:
        return _Times(["time: not estimated, as --rate none asks"])
    corpus = read_corpus(runs[0].data_bin)
    if corpus is None:
        return _Times([f"time: not estimated, since {runs[0].data_bin} holds no training data"])
    rate = read_rate(rate_text, runs[0], corpus)
    cells = {run.cell.name: run for run in runs}
    each = {name: estimated_seconds(run, corpus, rate) for name, run in cells.items()}
    limited = {name: seconds for name, seconds in each.items() if seconds is not None}
    total = sum(limited.get(run.cell.name, 0.0) for run in runs)
    summary = [
        f"time: about {as_text(total)} in all, one training after the other on one device; the "
        "order of magnitude",
        f"from {rate.multiply_adds / GIGA:,.3g} G multiply-adds per second, {rate.source}",
        "without the start, validation, checkpoints and scoring of each training",
    ]
    if unlimited := [name for name in each if name not in limited]:
        summary.append(f"without {', '.join(unlimited)}: no limit of updates or epochs")
    return _Times(summary, {name: f", about {as_text(time)}" for name, time in limited.items()})
