"""The grids of the paper: every cell is a model."""

from __future__ import annotations

import pytest

from attn_nmt.models.architectures import SIZES
from attn_nmt.study.flags import arch_of_size, read_config
from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.grids.grid_files import read_grid
from attn_nmt.terms import ALL_TERMS

CELL_COUNTS = {"table2": 18, "table3": 9, "figure3-self": 18, "figure3-cross": 16}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CELL_COUNTS)
def test_every_cell_is_a_model(name: str, size: str) -> None:
    cells = read_grid(name)
    assert len({cell.name for cell in cells}) == len(cells) == CELL_COUNTS[name]
    for cell in cells:
        config = read_config(arch_of_size(size), cell.flags)
        assert {field: getattr(config, field) for field in cell.flags} == cell.flags
        assert set(cell.varied) == set(cell.flags) - (
            {"self_attn_terms"} if name == "figure3-cross" else set()
        )
    assert {cell.compared_to for cell in cells} <= {None, *(cell.name for cell in cells)}


def test_the_cells_are_those_of_the_paper() -> None:
    flags = {cell.name: cell.flags for cells in GRIDS.values() for cell in cells}
    assert flags["0010-deformable"] == {"self_attn_terms": "0010", "deformable_kernel_size": 3}
    assert flags["none"] == {"self_attn_terms": "none"}
    assert flags["0100-span13"] == {"self_attn_terms": "0100", "self_attn_span": 13}
    assert flags["dynamic-kernel25"] == {"self_attn_type": "dynamic", "conv_kernel_sizes": "25"}
    for terms in ALL_TERMS:
        (cell,) = (cell for cell in GRIDS["figure3-self"] if cell.name == terms)
        assert cell.flags == {"self_attn_terms": terms}
        (cell,) = (cell for cell in GRIDS["figure3-cross"] if cell.name == terms)
        assert cell.flags == {"self_attn_terms": "1111", "cross_attn_terms": terms}
