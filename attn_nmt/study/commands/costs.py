"""``costs``: multiply-adds and parameters of models from their flags, compared with the paper's."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from attn_nmt.command_line import UsageError, positive
from attn_nmt.models.architectures import SIZES
from attn_nmt.study import paper
from attn_nmt.study.flags import (
    add_model_flags,
    arch_of_size,
    explicit_flags,
    merge_flags,
    one_of,
    read_config,
)
from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.grids.grid_files import read_grid
from attn_nmt.study.grids.runs import cell_config
from attn_nmt.study.model_costs import PAPER_SIZE, Model, add_percents, layer_rows, model_row
from attn_nmt.study.tables import FORMATS, render

_CONVENTION = """\
gmacs: 10^9 multiply-adds of one sentence pair, {length} tokens on each side; without embeddings and
output projection, softmax, norms, residuals, biases and interpolation. Every attention projects its
2 * {length} - 1 relative encodings (n within a span of n); (q + u) . k and (q + v) . r are one
product each; causality saves nothing.
parameters: of the whole model without the embeddings and the output projection.
"""
_ACTUAL = """\
actual: multiply-adds per sentence pair that PyTorch's FlopCounterMode counts in one forward pass of
this package's layers, in a batch of {sentences}; matrix products only.
"""
_MODEL_COLUMNS = {
    "grid": "",
    "name": "",
    "type": "",
    "self_attn": "",
    "cross_attn": "",
    "deformable": "",
    "span": "d",
    "kernel_size": "d",
    "parameters": ",d",
    "gmacs": ".3f",
    "paper_gmacs": ".1f",
    "difference": "+.3f",
    "percent": "+.1f",
    "paper_percent": "+.1f",
    "actual_gmacs": ".3f",
}
_LAYER_COLUMNS = {
    "grid": "",
    "name": "",
    "side": "",
    "layer": "d",
    "mechanism": "",
    "setting": "",
    "parameters": ",d",
    "mmacs": ".2f",
    "actual_mmacs": ".2f",
}


def add_parser(commands: Any) -> None:
    """Add the parser of ``costs`` to the subparsers of the study."""
    parser: ArgumentParser = commands.add_parser(
        "costs",
        usage="%(prog)s [options] [flags of the models]",
        help="multiply-adds and parameters of models from their flags, and the paper's",
        description="Compute the multiply-adds and parameters of whole models from their flags. "
        "Without --arch and --grid: the rows of the paper's Tables 2 and 3.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--length",
        metavar="N",
        type=positive("--length"),
        default=50,
        help="tokens on each side; default: 50",
    )
    parser.add_argument(
        "--format",
        type=one_of("--format", FORMATS),
        default="table",
        help=f"{', '.join(FORMATS)}; json is one object per line",
    )
    parser.add_argument("--arch", metavar="NAME", nargs="+", help="as of fairseq-train")
    parser.add_argument("--grid", metavar="GRID", help=f"{', '.join(GRIDS)}, or a YAML file")
    parser.add_argument(
        "--size",
        help=f"of the models of a grid: {', '.join(SIZES)}; default: {PAPER_SIZE}",
    )
    parser.add_argument(
        "--layers", action="store_true", help="one row per mechanism of every layer"
    )
    parser.add_argument(
        "--actual",
        metavar="SENTENCES",
        nargs="?",
        type=positive("--actual"),
        const=1,
        help="also count what the layers really compute, in a batch of SENTENCES; 1 if left out",
    )
    add_model_flags(parser)
    parser.set_defaults(run=print_costs, passes_flags_on=False)


def print_costs(options: Namespace) -> None:
    """Print the rows, and a legend: below a table, else on stderr."""
    models, length, sentences = _models(options), options.length, options.actual
    if options.layers:
        rows = [row for model in models for row in layer_rows(model, length, sentences)]
    else:
        rows = [model_row(model, length, sentences) for model in models]
        add_percents(rows, models)
    columns = _LAYER_COLUMNS if options.layers else _MODEL_COLUMNS
    print(render(rows, options.format, columns), end="")
    legend = _CONVENTION + ("" if sentences is None else _ACTUAL)
    if any(row.get("paper_gmacs") is not None for row in rows):
        legend += paper.DEVIATIONS
    legend = legend.format(length=length, sentences=sentences)
    print("\n" + legend, end="", file=sys.stdout if options.format == "table" else sys.stderr)


def _models(options: Namespace) -> list[Model]:
    flags = explicit_flags(options)
    if options.arch is None:
        names = [options.grid] if options.grid else ["table2", "table3"]
        size = options.size or PAPER_SIZE
        arch = arch_of_size(size)
        return [
            Model(
                cell.name,
                arch,
                cell_config(cell, size, merge_flags(cell.flags, flags)),
                name,
                cell.compared_to,
            )
            for name in names
            for cell in read_grid(name, "--grid")
        ]
    for flag, value in (("--grid", options.grid), ("--size", options.size)):
        if value is not None:
            raise UsageError(f"{flag} must be left out beside --arch, but is {value!r}.")
    return [Model(arch, arch, read_config(arch, flags)) for arch in options.arch]
