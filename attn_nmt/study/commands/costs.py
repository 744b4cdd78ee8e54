"""``costs``: multiply-adds and parameters of models from their flags, beside the paper's."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from attn_nmt.command_line import UsageError, positive
from attn_nmt.models.architectures import SIZES
from attn_nmt.study.commands.model_flags import add_model_flags, given_flags, on_top
from attn_nmt.study.costs import paper
from attn_nmt.study.costs.rows import PAPER_SIZE, Model, add_percents, layer_rows, model_row
from attn_nmt.study.grids.named import GRIDS, grid
from attn_nmt.study.grids.settings import arch_of_size, one_of, read_config
from attn_nmt.study.tables import FORMATS, render

CONVENTION = """\
gmacs: 10^9 multiply-adds of one sentence pair, both sides {length} tokens long; embeddings and
output projection left out; softmax, norms, residuals, biases and interpolation not counted; every
attention projects its 2 * {length} - 1 relative encodings (n within a span of n); (q + u) . k and
(q + v) . r are one product each; causality saves nothing.
parameters: of the whole model but the embeddings and the output projection.
"""
ACTUAL = """\
actual: multiply-adds a sentence pair counted by PyTorch's FlopCounterMode in one forward pass of
this package's layers, in a batch of {sentences}; matrix products only.
"""
MODEL_COLUMNS = {
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
LAYER_COLUMNS = {
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
        help="multiply-adds and parameters from flags alone, beside the paper's",
        description="Multiply-adds and parameters of whole models from their flags alone. Without "
        "--arch and --grid: the rows of the paper's Tables 2 and 3.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--length",
        metavar="N",
        type=positive("--length"),
        default=50,
        help="tokens of each side; 50",
    )
    parser.add_argument(
        "--format",
        type=one_of("--format", FORMATS),
        default="table",
        help=f"{', '.join(FORMATS)}; json is one object a line",
    )
    parser.add_argument("--arch", metavar="NAME", nargs="+", help="as of fairseq-train")
    parser.add_argument("--grid", metavar="GRID", help=f"{', '.join(GRIDS)}, or a YAML file")
    parser.add_argument("--size", help=f"of the models of a grid: {', '.join(SIZES)}; wmt_en_de")
    parser.add_argument("--layers", action="store_true", help="a row a mechanism of every layer")
    parser.add_argument(
        "--actual",
        metavar="SENTENCES",
        nargs="?",
        type=positive("--actual"),
        const=1,
        help="count what the layers really compute, in a batch of SENTENCES, 1 if left out",
    )
    add_model_flags(parser)
    parser.set_defaults(run=costs, passes_flags_on=False)


def costs(options: Namespace) -> None:
    """Print the rows, and what they mean: below a table, else on stderr."""
    models, length, sentences = _models(options), options.length, options.actual
    if options.layers:
        rows = [row for model in models for row in layer_rows(model, length, sentences)]
    else:
        rows = [model_row(model, length, sentences) for model in models]
        add_percents(rows, models)
    columns = LAYER_COLUMNS if options.layers else MODEL_COLUMNS
    print(render(rows, options.format, columns), end="")
    notes = CONVENTION + ("" if sentences is None else ACTUAL)
    if any(row.get("paper_gmacs") is not None for row in rows):
        notes += paper.DEVIATIONS
    said = notes.format(length=length, sentences=sentences)
    print("\n" + said, end="", file=sys.stdout if options.format == "table" else sys.stderr)


def _models(options: Namespace) -> list[Model]:
    flags = given_flags(options)
    if options.arch is None:
        names = [options.grid] if options.grid else ["table2", "table3"]
        arch = arch_of_size(options.size or PAPER_SIZE)
        return [
            Model(cell.name, arch, read_config(arch, on_top(cell, flags)), name, cell.compared_to)
            for name in names
            for cell in grid(name, "--grid")
        ]
    for flag, value in (("--grid", options.grid), ("--size", options.size)):
        if value is not None:
            raise UsageError(f"{flag} must be left out beside --arch, but is {value!r}.")
    return [Model(arch, arch, read_config(arch, flags)) for arch in options.arch]
