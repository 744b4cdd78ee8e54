"""The data card: what a prepared corpus was made of, kept beside it as ``data_card.json``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from attn_nmt.command_line import UsageError
from attn_nmt.subwords import Subwords, build_subwords

FILE_NAME = "data_card.json"


@dataclass(frozen=True)
class DataCard:
    """How a corpus was prepared, and what it holds."""

    corpus: str
    source_lang: str
    target_lang: str
    subword: str
    """Name of the subword tool, ``subword-nmt`` or ``sentencepiece``."""
    options: dict[str, Any]
    lines: dict[str, int]
    """Sentence pairs of each split: train, valid, test."""
    dropped: dict[str, int]
    """Training pairs left out, by reason."""
    vocabulary_size: int
    """Symbols of the joined dictionary, fairseq's four special ones and its padding included."""
    tools: dict[str, str]
    """Version of each package that took part."""
    files: dict[str, str]
    """SHA-256 of each file, by its path below the directory of the card."""
    normalized_punctuation: bool = False
    """Whether punctuation was normalised by Moses's rules before anything else."""
    subset: dict[str, list[int]] = field(default_factory=dict)
    """For each source file that differs from the published one: its lines, the published lines."""

    @property
    def subwords(self) -> Subwords:
        """The subword tool, with the options that it had.

        Raises:
            UsageError: if there is no such tool.
        """
        return build_subwords(self.subword, self.options)

    def write(self, directory: Path) -> None:
        """Write ``data_card.json`` into ``directory``."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (directory / FILE_NAME).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> DataCard:
        """Read the card of a prepared corpus.

        Raises:
            UsageError: if it is missing or malformed.
        """
        path = directory / FILE_NAME
        if not path.is_file():
            raise UsageError(
                f"{path} must exist, since it says how the data was prepared, but is missing; "
                "prepare the data with a script of data_prep/."
            )
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            # Fields with a default may be missing: older versions did not write them.
            known = {entry.name for entry in fields(cls)}
            return cls(**{name: value for name, value in values.items() if name in known})
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} must be a data card, but is not one: {error!r}.") from error

    @staticmethod
    def raw_file(directory: Path, split: str, lang: str) -> Path:
        """Return the path of the untokenised text of a split, one sentence per line."""
        return directory / "raw" / f"{split}.{lang}"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
