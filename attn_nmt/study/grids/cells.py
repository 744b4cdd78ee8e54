"""The cells of a grid, and the grids of the models that the paper compares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from attn_nmt.models.mechanisms import NO_SUBLAYER, SELF_ATTENTION
from attn_nmt.study import paper
from attn_nmt.terms import ALL_TERMS

DEFORMABLE_TAPS = 3
"""The kernel size of the paper's Figure 2 (c)."""
STOCK = "transformer"
"""fairseq's own model, with its own positions, as a cell beside ours."""


@dataclass(frozen=True)
class Cell:
    """One model of a grid."""

    name: str
    """Unique in its grid, and usable as the name of a directory."""
    flags: dict[str, Any] = field(default_factory=dict)
    """Fields of :class:`AttnTransformerConfig`, added to ``--arch attn_transformer_SIZE``."""
    compared_to: str | None = None
    """The cell that the paper compares it with."""
    train_flags: dict[str, Any] = field(default_factory=dict)
    """Flags of fairseq-train and train.sh, by name, that are none of the models."""
    varied: tuple[str, ...] = ()
    """Names of the flags in which the cells of a grid differ."""
    is_stock: bool = False
    """Whether this is fairseq's ``--arch transformer`` with the widths of the size."""
    seeds: int | None = None
    """How many of the plan's seeds are for it, the first ones; None for all."""


def _paper_cell(name: str, compared_to: str | None = None) -> Cell:
    """Return the cell that a name such as ``0110-deformable`` or ``dynamic-kernel31`` describes."""
    mechanism, *options = name.split("-")
    flags: dict[str, Any] = {"self_attn_terms": mechanism}
    if SELF_ATTENTION.get(mechanism) is not None:
        flags = {"self_attn_type": mechanism}
    for option in options:
        if option == "deformable":
            flags["deformable_kernel_size"] = DEFORMABLE_TAPS
        elif option.startswith("span"):
            flags["self_attn_span"] = int(option.removeprefix("span"))
        else:
            flags["conv_kernel_sizes"] = option.removeprefix("kernel")
    return Cell(name, flags, compared_to, varied=tuple(flags))


def _paper_cells(table: tuple[paper.Comparison, ...]) -> list[Cell]:
    return [
        cell
        for row in table
        for cell in (
            _paper_cell(row.baseline),
            _paper_cell(row.candidate, compared_to=row.baseline),
        )
    ]


GRIDS: dict[str, list[Cell]] = {
    "table2": _paper_cells(paper.TABLE2),
    "table3": [_paper_cell("0100"), *_paper_cells(paper.TABLE3)],
    "figure3-self": [_paper_cell(name) for name in (NO_SUBLAYER, *ALL_TERMS, "0010-deformable")],
    # Self-attention has all four terms while encoder-decoder attention is studied.
    "figure3-cross": [
        Cell(
            terms,
            {"self_attn_terms": "1111", "cross_attn_terms": terms},
            varied=("cross_attn_terms",),
        )
        for terms in ALL_TERMS
    ],
}
