"""``run``: train and score every cell of a grid; started again, it goes on."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from attn_nmt.command_line import UsageError
from attn_nmt.study.commands.executor_options import add_executor_options, executor
from attn_nmt.study.commands.plan_options import (
    USAGE,
    add_plan_options,
    grid_folder,
    planned,
)
from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running.cell import Outcome
from attn_nmt.study.running.cell_files import FAILURE
from attn_nmt.study.running.same_settings import require_same_commands, require_same_data
from attn_nmt.study.tables import render

COLUMNS = {"cell": "", "seed": "d", "state": "", "bleu": ".2f", "scored": ""}


def add_parser(commands: Any) -> None:
    """Add the parser of ``run`` to the subparsers of the study."""
    parser: ArgumentParser = commands.add_parser(
        "run",
        usage=USAGE,
        help="train and score every cell of a grid; started again, it goes on",
        description="Run the commands that `plan` prints, one at a time, one a GPU, or as jobs of "
        "SLURM: every cell of a grid with every seed, each in a folder of its own. What is "
        "finished is kept, what was cut off goes on. Flags that are not known here go to train.sh "
        "as they are. Where fewer checkpoints were kept than --average asks for, the best one is "
        "scored.",
        allow_abbrev=False,
    )
    add_executor_options(parser)  # first: the flags of the models are a long list
    add_plan_options(parser)
    parser.set_defaults(run=run_grid, passes_flags_on=True)


def run_grid(options: Namespace) -> None:
    """Run everything, and print how it ended.

    Raises:
        UsageError: before anything runs, if an option breaks its rule or a folder is of another
            command or of other data; afterwards, if a run failed.
    """
    execute = executor(options)
    runs = planned(options)
    if not options.data_bin.is_dir():
        raise UsageError(f"--data-bin must be a folder, but {options.data_bin} is none.")
    for run in runs:
        require_same_commands(run)
        require_same_data(run)
    folder = grid_folder(options)
    folder.mkdir(parents=True, exist_ok=True)  # not one failure a run if it cannot be
    outcomes = execute(runs, folder)
    rows = [row(*pair) for pair in zip(runs, outcomes, strict=True)]
    print(render(rows, "table", COLUMNS), end="")
    _require_success(outcomes)


def row(run: Run, outcome: Outcome) -> dict[str, Any]:
    """Return a run as a row of the summary."""
    found = outcome.result
    return {
        "cell": run.cell.name,
        "seed": run.seed,
        "state": outcome.state,
        "bleu": None if found is None else found["scores"]["bleu"],
        "scored": None if found is None else _scored(found),
    }


def _scored(result: dict[str, Any]) -> str:
    if result["averaged"]:
        return f"mean of {len(result['checkpoints'])}"
    return str(result["checkpoints"][0])


def _require_success(outcomes: Sequence[Outcome]) -> None:
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    if failed:
        raise UsageError(
            f"All {len(outcomes)} runs must succeed, but {failed} failed; "
            f"{FAILURE} in their folders says why."
        )
