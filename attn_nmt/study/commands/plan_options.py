"""The options that ``plan`` and ``run`` share, so that what one prints is what the other runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from attn_nmt.command_line import positive
from attn_nmt.models.architectures import SIZES
from attn_nmt.study.commands.model_flags import add_model_flags, given_flags
from attn_nmt.study.grids.named import GRIDS, grid
from attn_nmt.study.grids.plan import AVERAGED, Run, plan
from attn_nmt.study.grids.train_flags import require_train_flags

USAGE = (
    "%(prog)s GRID --size SIZE --data-bin DATA_BIN [options] [flags of the models and of train.sh]"
)


def add_plan_options(parser: ArgumentParser) -> None:
    """Add everything that a plan depends on; unknown flags are for the training."""
    parser.add_argument("grid", metavar="GRID", help=f"{', '.join(GRIDS)}, or a YAML file")
    parser.add_argument("--size", required=True, help=f"of the models: {', '.join(SIZES)}")
    parser.add_argument(
        "--seeds",
        metavar="N",
        nargs="+",
        type=positive("--seeds"),
        default=[1],
        help="one training each; 1",
    )
    parser.add_argument(
        "--data-bin", metavar="DATA_BIN", type=Path, required=True, help="what fairseq-train reads"
    )
    parser.add_argument(
        "--out",
        metavar="RUNS",
        type=Path,
        default=Path("runs"),
        help="checkpoints go to RUNS/GRID/CELL/seedN; runs",
    )
    parser.add_argument(
        "--average",
        metavar="N",
        type=positive("--average"),
        default=AVERAGED,
        help=f"score the mean of the last N checkpoints; {AVERAGED}",
    )
    add_model_flags(parser)


def grid_folder(options: Namespace) -> Path:
    """Return the folder of all runs of the grid."""
    return Path(options.out) / Path(options.grid).stem


def planned(options: Namespace) -> list[Run]:
    """Return the runs that the options ask for.

    Raises:
        UsageError: if one breaks its rule.
    """
    runs = plan(
        grid(options.grid),
        size=options.size,
        seeds=options.seeds,
        data_bin=options.data_bin,
        out=grid_folder(options),
        model_flags=given_flags(options),
        train_flags=options.more,
        average=options.average,
    )
    if options.data_bin.is_dir():  # a plan may be made before the data
        here = ["--" + name.replace("_", "-") for name in vars(options)]
        require_train_flags(runs[0], here)
    return runs
