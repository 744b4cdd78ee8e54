"""A planned run in a directory of its own, of which nothing has run."""

from __future__ import annotations

from pathlib import Path

import pytest

from attn_nmt.study.grids.cells import Cell
from attn_nmt.study.grids.runs import Run, plan_runs


@pytest.fixture
def planned_run(tmp_path: Path) -> Run:
    """A run of a tiny model."""
    (run,) = plan_runs(
        [Cell("one", {"self_attn_terms": "0010"})],
        size="tiny",
        seeds=[1],
        data_bin=tmp_path / "corpus" / "data-bin",
        out=tmp_path / "out",
        model_flags={},
        train_flags=["--max-update", "100"],
    )
    return run
