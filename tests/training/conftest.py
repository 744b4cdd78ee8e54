"""What fairseq-preprocess writes, as far as the commands depend on it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from attn_nmt.training.options import Options, read

Read = Callable[..., Options]


@pytest.fixture
def data_bin(tmp_path: Path) -> Path:
    """A directory with one dictionary for both languages."""
    directory = tmp_path / "data-bin"
    directory.mkdir()
    for lang in ("en", "de"):
        (directory / f"dict.{lang}.txt").write_text("ba 1\n")
    return directory


@pytest.fixture
def options(data_bin: Path) -> Read:
    """Reads the command line of train.sh for that directory, with the given flags."""

    def read_flags(flags: str = "") -> Options:
        return read(["attn_transformer_tiny", str(data_bin), "run", *shlex.split(flags)])

    return read_flags
