"""Cells are told apart by their styles, by readers who do not see all colours as well."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from attn_nmt.study.colours import COLOURS
from attn_nmt.study.reporting.cell_styles import cell_styles

# Machado et al. (2009), full severity, on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
}


def test_every_cell_of_a_large_grid_has_a_style_of_its_own() -> None:
    styles = cell_styles([str(number) for number in range(196)])
    markers = [style.marker for style in styles.values()]
    assert all(one != other for one, other in itertools.pairwise(markers))
    assert len(set(styles.values())) == 196
    (first, *_), repeated = styles.values(), styles["7"]
    assert first.colour == repeated.colour
    assert first.marker != repeated.marker and first.dash != repeated.dash


@pytest.mark.parametrize("kind", BLINDNESS)
def test_colours_differ_for_colour_blind_readers(kind: str) -> None:
    linear = {name: np.array(to_rgb(colour)) ** 2.2 for name, colour in COLOURS.items()}
    seen = {name: np.clip(BLINDNESS[kind] @ rgb, 0, 1) ** (1 / 2.2) for name, rgb in linear.items()}
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 0.15, (one, other)
    assert all(np.linalg.norm(1 - rgb) > 0.3 for rgb in seen.values()), "seen on white"
