"""One planned run in a folder of its own, of which nothing has run."""

from __future__ import annotations

from pathlib import Path

import pytest

from attn_nmt.study.grids.plan import Run, plan
from attn_nmt.study.grids.settings import Cell


@pytest.fixture
def planned_run(tmp_path: Path) -> Run:
    """A run of a tiny model."""
    (found,) = plan(
        [Cell("one", {"self_attn_terms": "0010"})],
        size="tiny",
        seeds=[1],
        data_bin=tmp_path / "corpus" / "data-bin",
        out=tmp_path / "out",
        model_flags={},
        train_flags=["--max-update", "100"],
    )
    return found
