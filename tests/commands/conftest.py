"""A copy task, prepared once, and a model that has learned it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
from support.commandline import copies, train

from data_prep.pipeline import prepare


@pytest.fixture(scope="session")
def data_bin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy task as data_prep leaves a corpus."""
    out_dir = tmp_path_factory.mktemp("copy") / "corpus"
    options = Namespace(out_dir=out_dir, bpe_merges=200, subword="subword-nmt", workers=1)
    sizes = {"train": 4000, "valid": 100, "test": 100}
    prepare(
        "copy",
        lambda scratch: {name: copies(seed, n) for seed, (name, n) in enumerate(sizes.items())},
        options,
    )
    return out_dir / "data-bin"


@pytest.fixture(scope="session")
def trained(data_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned to copy, by fairseq-train."""
    save_dir = tmp_path_factory.mktemp("trained") / "run"
    train(data_bin, save_dir, "--max-update", 150)
    return save_dir
