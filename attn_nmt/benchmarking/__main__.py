"""The commands: the goals, any arch and flags at one kind of work, growth with the length."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from attn_nmt.atomic import replacing
from attn_nmt.benchmarking.comparison import (
    GOALS,
    Row,
    comparison_table,
    markdown,
    measure,
    shares_table,
    with_peers,
)
from attn_nmt.benchmarking.gpu_check import check_gpu
from attn_nmt.benchmarking.lengths import LENGTHS, MECHANISMS, measure_lengths
from attn_nmt.benchmarking.measures import matrix_rate
from attn_nmt.benchmarking.models import BASELINES, Model
from attn_nmt.benchmarking.work import WORK, Sizes
from attn_nmt.command_line import UsageError, positive
from attn_nmt.doctor import device as device_name
from attn_nmt.progress import track
from attn_nmt.study.flags import add_model_flags, explicit_flags, one_of, read_config
from attn_nmt.version import __version__

Table = list[dict[str, Any]]


def main() -> None:
    """Read the command line, measure, print the tables and write the JSON.

    After an interruption, the rows measured so far are printed and written.
    """
    parser = ArgumentParser(
        prog="attn-nmt benchmark",
        description="Measure time and memory relative to fairseq's own models: both in one "
        "process, their steps alternating, the median of the ratios.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="WORK", required=True)
    _add_goals(commands)
    for work in WORK:
        _add_work(commands, work)
    _add_lengths(commands)
    _add_gpu(commands)
    options = parser.parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    rows: Table = []
    try:
        for row in track(options.measure(options), "measured", unit="rows"):
            rows.append(row)
            _write(rows, options.json)
    finally:
        tables = options.tables(rows) if rows else ()
        print(*(markdown(table) for table in tables if table), sep="\n\n")
    wrong = sum(row.get("right") == "no" for row in rows)
    if wrong:
        raise UsageError(f"All results must be right, but {wrong} are not; see the tables.")


def _write(rows: Table, target: Path | None) -> None:
    if target is not None:
        with replacing(target) as unfinished:
            unfinished.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def _add_command(commands: Any, name: str, summary: str) -> ArgumentParser:
    """Add a command with the options that all have."""
    parser: ArgumentParser = commands.add_parser(name, help=summary, allow_abbrev=False)
    parser.add_argument(
        "--rounds",
        metavar="N",
        type=positive("--rounds"),
        default=7,
        help="steps of each model; default: 7",
    )
    parser.add_argument(
        "--threads",
        metavar="N",
        type=positive("--threads"),
        help="on a CPU; default: one per core",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the rows to FILE")
    return parser


def _add_goals(commands: Any) -> None:
    parser = _add_command(commands, "goals", "every row that has a goal")
    parser.add_argument(
        "--peers", action="store_true", help="also CTranslate2, with stock's weights"
    )
    parser.set_defaults(
        measure=lambda options: measure(
            with_peers(GOALS) if options.peers else GOALS, options.rounds, matrix_rate()
        ),
        tables=_comparison_tables,
    )


def _add_work(commands: Any, work: str) -> None:
    parser = _add_command(commands, work, f"any arch at {work}")
    parser.add_argument("arch", metavar="ARCH", nargs="+", help="of this package")
    parser.add_argument(
        "--against",
        type=one_of("--against", tuple(BASELINES)),
        default="transformer",
        help=f"{' or '.join(BASELINES)}, with the same widths; default: transformer",
    )
    defaults = Sizes()
    for name in ("tokens", "sentences", "beam", "length", "vocabulary"):
        value = getattr(defaults, name)
        parser.add_argument(
            f"--{name}",
            metavar="N",
            type=positive(f"--{name}"),
            default=value,
            help=f"default: {value}",
        )
    add_model_flags(parser)
    parser.set_defaults(
        measure=lambda options: measure(_rows(work, options), options.rounds, matrix_rate()),
        tables=_comparison_tables,
    )


def _add_lengths(commands: Any) -> None:
    parser = _add_command(commands, "lengths", "each mechanism over 64 to 4096 tokens")
    parser.add_argument(
        "--only",
        metavar="NAME",
        nargs="+",
        choices=MECHANISMS,
        default=list(MECHANISMS),
        help=f"default: all of {', '.join(MECHANISMS)}",
    )
    parser.add_argument(
        "--fit-from",
        type=int,
        default=512,
        choices=LENGTHS,
        help="length of the shortest sentence in the fit; default: 512",
    )
    parser.set_defaults(
        measure=lambda options: measure_lengths(options.only, options.rounds, options.fit_from),
        tables=lambda rows: (rows,),
    )


def _add_gpu(commands: Any) -> None:
    parser = _add_command(commands, "gpu", "every mechanism against the CPU, and the GPU's goals")
    parser.set_defaults(measure=_measure_gpu, tables=_gpu_tables)


def _measure_gpu(options: Namespace) -> Iterator[dict[str, Any]]:
    """Check and measure on the GPU.

    Raises:
        UsageError: if there is none.
    """
    if not torch.cuda.is_available():
        raise UsageError("This machine must have a GPU, but PyTorch finds none.")
    yield from check_gpu(torch.device("cuda"))
    goals = [row for row in GOALS if row.on_gpu]
    yield from measure(goals, options.rounds, matrix_rate())


def _gpu_tables(rows: Table) -> tuple[Table, ...]:
    """Return what was run on, then a table for each kind of row."""
    place = [{"device": device_name(), "PyTorch": torch.__version__, "attn_nmt": __version__}]
    kinds = [[row for row in rows if key in row] for key in ("type", "check", "work")]
    return place, *kinds[:2], comparison_table(kinds[2]), shares_table(kinds[2])


def _rows(work: str, options: Namespace) -> list[Row]:
    """Return the rows that the options describe.

    Raises:
        UsageError: if there is no such arch, or a flag breaks its rule.
    """
    flags = explicit_flags(options)
    sizes = Sizes(
        options.tokens, options.sentences, options.beam, options.length, options.vocabulary
    )
    for arch in options.arch:
        read_config(arch, flags)
    on_gpu = torch.cuda.is_available()
    return [
        Row(work, Model(arch, flags), baseline=options.against, sizes=sizes, on_gpu=on_gpu)
        for arch in options.arch
    ]


def _comparison_tables(rows: Table) -> tuple[Table, ...]:
    return comparison_table(rows), shares_table(rows)
