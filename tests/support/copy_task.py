"""A copy task, prepared once, and a model that has learned it: fixtures for conftest.py files."""

from __future__ import annotations

import shlex
from argparse import Namespace
from pathlib import Path

import pytest

from attn_nmt.data.pipeline import prepare
from support.commandline import copies, shared_directory, train

SIZES = {"train": 4000, "valid": 100, "test": 100}
# Ten updates between checkpoints, three of which are kept in each of the three ways.
CHECKPOINTS = "--save-interval-updates 10 --keep-interval-updates 3 --keep-best-checkpoints 3"


@pytest.fixture(scope="session")
def data_bin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy task as data_prep leaves a corpus."""

    def make(directory: Path) -> None:
        corpus = {split: copies(seed, n) for seed, (split, n) in enumerate(SIZES.items())}
        args = Namespace(out_dir=directory, bpe_merges=200, subword="subword-nmt", workers=1)
        prepare("copy", lambda scratch: corpus, args, langs=("en", "de"))

    return shared_directory(tmp_path_factory, "copy", make) / "data-bin"


@pytest.fixture(scope="session")
def trained(data_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned to copy, by fairseq-train, with its log and its checkpoints."""

    def make(save_dir: Path) -> None:
        flags = shlex.split(f"--max-update 200 --log-interval 10 {CHECKPOINTS}")
        (save_dir / "train.log").write_text(train(data_bin, save_dir, *flags))

    return shared_directory(tmp_path_factory, "trained", make)
