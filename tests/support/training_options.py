"""A command line of train.sh, read, for a folder with the dictionaries of the languages."""

from __future__ import annotations

from pathlib import Path

from attn_nmt.training.options import Options, read


def options(data_bin: Path, *flags: str) -> Options:
    return read(["attn_transformer_tiny", str(data_bin), "run", *flags])
