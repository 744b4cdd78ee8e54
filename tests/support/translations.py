"""References, translations of different quality, and a corpus that holds the references."""

from __future__ import annotations

import random
from pathlib import Path

from attn_nmt.data_card import DataCard

WORDS = [f"word{number}" for number in range(40)]


def sentences(seed: int = 0, count: int = 60) -> list[str]:
    """Random sentences of twelve words."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=12)) for _ in range(count)]


def damaged(lines: list[str], seed: int, fraction: float) -> list[str]:
    """The same with a fraction of the words wrong."""
    rng = random.Random(seed)
    return [
        " ".join("wrong" if rng.random() < fraction else word for word in line.split())
        for line in lines
    ]


def write(path: Path, lines: list[str]) -> Path:
    """Write one sentence per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines))
    return path


def make_corpus(directory: Path, lines: list[str]) -> Path:
    """A prepared corpus, as far as comparisons read it."""
    write(directory / "raw" / "test.de", lines)
    write(directory / "raw" / "valid.de", ["one"])
    DataCard("copy", "en", "de", "sentencepiece", {}, {}, {}, 1, {}, {}).write(directory)
    return directory
