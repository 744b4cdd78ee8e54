"""The data card: what is written is read; a field of another type is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import FILE_NAME, DataCard

CARD: dict[str, Any] = {
    "corpus": "own",
    "source_lang": "en",
    "target_lang": "de",
    "subword": "subword-nmt",
    "options": {"bpe_merges": 200, "aggressive_hyphens": False},
    "lines": {"train": 5, "test": 2},
    "dropped": {"blank": 1},
    "vocabulary_size": 30,
    "tools": {"sacremoses": "0.1"},
    "files": {"bpe.codes": "ab"},
    "normalized_punctuation": True,
    "subset": {"train": [5, 6]},
}


def read(directory: Path, values: Any) -> DataCard:
    (directory / FILE_NAME).write_text(json.dumps(values))
    return DataCard.read(directory)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    card = DataCard(**CARD)
    card.write(tmp_path)
    assert DataCard.read(tmp_path) == card
    older = {key: CARD[key] for key in CARD if key not in ("normalized_punctuation", "subset")}
    assert read(tmp_path, {**older, "new": 1}) == DataCard(**older)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("corpus", 3, "text"),
        ("vocabulary_size", "30", "a whole number that is not negative"),
        ("vocabulary_size", True, "a whole number that is not negative"),
        ("vocabulary_size", -1, "a whole number that is not negative"),
        ("lines", {"train": "5"}, "a mapping to whole numbers that are not negative"),
        ("lines", [5], "a mapping to whole numbers that are not negative"),
        ("tools", {"sacremoses": 1}, "a mapping to text"),
        ("options", "none", "a mapping"),
        ("normalized_punctuation", 1, "true or false"),
        ("subset", {"train": 5}, "a mapping to lists of whole numbers that are not negative"),
    ],
)
def test_a_field_of_another_type_is_named(
    tmp_path: Path, field: str, value: object, rule: str
) -> None:
    with pytest.raises(UsageError) as error:
        read(tmp_path, {**CARD, field: value})
    card = tmp_path / FILE_NAME
    assert str(error.value) == f"{field} in {card} must be {rule}, but is {value!r}."


@pytest.mark.parametrize("field", ["corpus", "lines", "files"])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    values = {key: value for key, value in CARD.items() if key != field}
    with pytest.raises(UsageError, match=f"must have the field {field}, but does not.$"):
        read(tmp_path, values)


@pytest.mark.parametrize("text", ["", "[]", "null", '"card"', "[" * 100_000, "\x00"])
def test_anything_else_is_no_card(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(UsageError, match="must be a data card, but "):
        DataCard.read(tmp_path)


@pytest.mark.parametrize("field", ["source_lang", "target_lang"])
def test_a_language_is_no_path(tmp_path: Path, field: str) -> None:
    with pytest.raises(UsageError, match="must be letters, digits, _ and -, but one is '../x'"):
        read(tmp_path, {**CARD, field: "../x"})
