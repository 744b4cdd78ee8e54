"""The data card: what a prepared corpus was made of, kept beside it as ``data_card.json``."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from attn_nmt.command_line import UsageError, shown
from attn_nmt.text.subwords import Subwords, build_subwords

FILE_NAME = "data_card.json"
_MAX_BYTES = 1 << 24
_NAME = re.compile(r"[A-Za-z0-9_-]+")


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
            UsageError: if it is missing, or with the field that breaks its rule.
        """
        path = directory / FILE_NAME
        if not path.is_file():
            raise UsageError(
                f"{path} must exist, since it says how the data was prepared, but is missing; "
                "prepare the data with attn-nmt prepare."
            )
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ValueError(f"it has more than {_MAX_BYTES} bytes")
            values = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path} must be a data card, but is not one: {error}.") from None
        if not isinstance(values, dict):
            raise UsageError(f"{path} must be a data card, but holds no mapping.")
        types = get_type_hints(cls)
        for entry in fields(cls):
            # Fields with a default may be missing: older versions did not write them.
            is_required = entry.default is MISSING and entry.default_factory is MISSING
            if entry.name not in values and is_required:
                raise UsageError(f"{path} must have the field {entry.name}, but does not.")
            if entry.name in values and not _fits(values[entry.name], types[entry.name]):
                raise UsageError(
                    f"{entry.name} in {path} must be {_TYPE_NAMES[types[entry.name]]}, "
                    f"but is {shown(values[entry.name])}."
                )
        card = cls(**{name: value for name, value in values.items() if name in types})
        for name in (card.source_lang, card.target_lang, *card.lines):
            # They become parts of paths.
            if not _NAME.fullmatch(name):
                raise UsageError(
                    f"Languages and splits in {path} must be letters, digits, _ and -, but one is "
                    f"{shown(name)}."
                )
        return card

    @staticmethod
    def raw_file(directory: Path, split: str, lang: str) -> Path:
        """Return the path of the untokenised text of a split, one sentence per line."""
        return directory / "raw" / f"{split}.{lang}"


_TYPE_NAMES: dict[Any, str] = {
    str: "text",
    int: "a whole number that is not negative",
    bool: "true or false",
    dict[str, Any]: "a mapping",
    dict[str, str]: "a mapping to text",
    dict[str, int]: "a mapping to whole numbers that are not negative",
    dict[str, list[int]]: "a mapping to lists of whole numbers that are not negative",
}


def _fits(value: object, hint: Any) -> bool:
    """Return whether a value read from JSON has the declared type of its field."""
    if hint is Any:
        return True
    if isinstance(value, dict):
        return get_origin(hint) is dict and all(
            _fits(entry, get_args(hint)[1]) for entry in value.values()
        )
    if isinstance(value, list):
        return get_origin(hint) is list and all(_fits(entry, get_args(hint)[0]) for entry in value)
    return type(value) is hint and (hint is not int or value >= 0)  # type: ignore[operator]


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
