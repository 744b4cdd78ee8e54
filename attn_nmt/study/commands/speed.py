"""``speed``: how long training and translating take with each model of a grid."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from attn_nmt.benchmarking.measures import device, interleaved, keep_freed_memory, ratio
from attn_nmt.benchmarking.models import Model
from attn_nmt.benchmarking.work import WORK, Sizes
from attn_nmt.command_line import UsageError, positive
from attn_nmt.doctor import processor
from attn_nmt.models.architectures import SIZES
from attn_nmt.progress import track
from attn_nmt.study.flags import arch_of_size, require_known
from attn_nmt.study.grids.cells import STOCK, Cell
from attn_nmt.study.grids.grid_files import read_grid
from attn_nmt.study.reporting.results import Speed
from attn_nmt.study.running.run_directory import write_json
from attn_nmt.study.tables import render

MEASURED = ("training", "decoding")
_COLUMNS = {"cell": "", **dict.fromkeys(MEASURED, ".2f")}
_ROUNDS = 7


def add_parser(commands: Any) -> None:
    """Add the parser of ``speed`` to the subparsers of the study."""
    parser: ArgumentParser = commands.add_parser(
        "speed",
        help="how long training and translating take with each model of a grid",
        description="Time a training step and a beam search of every cell of a grid relative to "
        "one of them: both in one process, their steps alternating, the median of the ratios. The "
        "machine must be idle otherwise.",
        allow_abbrev=False,
    )
    parser.add_argument("grid", metavar="GRID", help="as of `plan`")
    parser.add_argument("--size", required=True, help=f"of the models: {', '.join(SIZES)}")
    parser.add_argument("--baseline", metavar="CELL", required=True, help="whose time is 1")
    parser.add_argument(
        "--vocabulary",
        metavar="N",
        type=positive("--vocabulary"),
        default=Sizes().vocabulary,
        help=f"entries of the dictionary, as of the corpus that is trained on (default: "
        f"{Sizes().vocabulary})",
    )
    parser.add_argument(
        "--rounds",
        metavar="N",
        type=positive("--rounds"),
        default=_ROUNDS,
        help=f"steps of each model; default: {_ROUNDS}",
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        type=Path,
        help="also write them to FILE; as RUNS/GRID/speed.json it is part of a report",
    )
    parser.set_defaults(run=print_speed, passes_flags_on=False)


def print_speed(options: Namespace) -> None:
    """Print one row per cell, and write the file, anew after each.

    Raises:
        UsageError: if there is no such grid, size, cell or directory.
    """
    cells = {cell.name: cell for cell in read_grid(options.grid)}
    require_known("--baseline", options.baseline, cells)
    if options.json is not None and not options.json.parent.is_dir():
        raise UsageError(f"--json must be in a directory, but {options.json.parent} is not one.")
    models = {name: _model(cell, arch_of_size(options.size)) for name, cell in cells.items()}
    sizes = Sizes(vocabulary=options.vocabulary)
    keep_freed_memory()
    baseline = models.pop(options.baseline)
    times = {options.baseline: dict.fromkeys(MEASURED, 1.0)}
    _write(options, sizes, times)
    for name, model in track(list(models.items()), "measured", unit="cells"):
        times[name] = {
            work: _relative_time(work, model, baseline, sizes, options.rounds) for work in MEASURED
        }
        # After each, so that an interrupt loses one at most.
        _write(options, sizes, {name: times[name] for name in cells if name in times})
    print(render([{"cell": name, **times[name]} for name in cells], "table", _COLUMNS), end="")


def _write(options: Namespace, sizes: Sizes, times: dict[str, dict[str, float]]) -> None:
    if options.json is None:
        return
    speed = Speed(
        processor=processor() if device().type == "cpu" else torch.cuda.get_device_name(),
        threads=torch.get_num_threads(),
        rounds=options.rounds,
        size=options.size,
        vocabulary=sizes.vocabulary,
        tokens=sizes.tokens,
        sentences=sizes.sentences,
        beam=sizes.beam,
        baseline=options.baseline,
        times=times,
    )
    write_json(options.json, asdict(speed))


def _model(cell: Cell, arch: str) -> Model:
    if cell.is_stock:
        return Model(STOCK, cell.flags, like=arch)
    return Model(arch, cell.flags)


def _relative_time(work: str, model: Model, baseline: Model, sizes: Sizes, rounds: int) -> float:
    steps = {"own": WORK[work](model, sizes), "baseline": WORK[work](baseline, sizes)}
    times = interleaved(steps, rounds, work)
    return ratio(times["own"], times["baseline"])[0]
