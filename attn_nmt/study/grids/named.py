"""The models that the paper compares, as grids of cells; a user's own come from ``grid_file``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attn_nmt.models.mechanisms import NO_SUBLAYER
from attn_nmt.study.costs import paper
from attn_nmt.study.grids.grid_file import read_grid
from attn_nmt.study.grids.settings import Cell, require_known
from attn_nmt.terms import ALL_TERMS

DEFORMABLE_TAPS = 3
"""The kernel size of the paper's Figure 2 (c)."""


def grid(name: str, flag: str = "GRID") -> list[Cell]:
    """Return the cells of a grid of the paper, or of a YAML file; ``flag`` is what named it.

    Raises:
        UsageError: if there is no such grid, or the file breaks a rule.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        return read_grid(Path(name))
    require_known(flag, name, (*GRIDS, "FILE.yaml"))
    return GRIDS[name]


def _cell(name: str, compared_to: str | None = None) -> Cell:
    """Return what a cell called like ``0110-deformable`` or ``dynamic-kernel31`` is."""
    mechanism, *rest = name.split("-")
    flags: dict[str, Any] = {"self_attn_terms": mechanism}
    if mechanism == "dynamic":
        flags = {"self_attn_type": mechanism}
    for part in rest:
        if part == "deformable":
            flags["deformable_kernel_size"] = DEFORMABLE_TAPS
        elif part.startswith("span"):
            flags["self_attn_span"] = int(part.removeprefix("span"))
        else:
            flags["conv_kernel_sizes"] = part.removeprefix("kernel")
    return Cell(name, flags, compared_to)


def _table(lines: tuple[paper.Comparison, ...]) -> list[Cell]:
    return [
        cell
        for line in lines
        for cell in (_cell(line.before), _cell(line.after, compared_to=line.before))
    ]


GRIDS: dict[str, list[Cell]] = {
    "table2": _table(paper.TABLE2),
    "table3": [_cell("0100"), *_table(paper.TABLE3)],
    "figure3-self": [_cell(name) for name in (NO_SUBLAYER, *ALL_TERMS, "0010-deformable")],
    # Self-attention has all four terms while encoder-decoder attention is studied.
    "figure3-cross": [
        Cell(terms, {"self_attn_terms": "1111", "cross_attn_terms": terms}) for terms in ALL_TERMS
    ],
}
