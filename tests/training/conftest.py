"""What fairseq-preprocess leaves, as far as planning looks at it."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def data_bin(tmp_path: Path) -> Path:
    """A folder with one dictionary for both languages."""
    folder = tmp_path / "data-bin"
    folder.mkdir()
    for lang in ("en", "de"):
        (folder / f"dict.{lang}.txt").write_text("ba 1\n")
    return folder
