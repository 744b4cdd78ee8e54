"""Parallel text: strict UTF-8, NFC, one sentence per line, as many lines on either side."""

from __future__ import annotations

import gzip
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard

LANGUAGES = ("en", "de")
SPLITS = ("train", "valid", "test")
Pairs = list[tuple[str, str]]
Corpus = dict[str, Pairs]
"""The pairs of each split."""


def read_lines(path: Path) -> list[str]:
    """Read a text file, gzipped if its name ends in ``.gz``; lines end at LF or CR LF only.

    Raises:
        UsageError: if the file is missing, empty, truncated, or not UTF-8.
    """
    if not path.is_file():
        raise UsageError(f"{path} must be a file, but is missing.")
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(
            f"{path} must be a complete gzip file, but is damaged: {error}."
        ) from error
    if not data.strip():
        raise UsageError(f"{path} must hold one sentence per line, but is empty.")
    # Not str.splitlines, which also splits at U+2028 and others that may be inside a sentence.
    lines = data.removesuffix(b"\n").split(b"\n")
    return [clean_line(decode(line, path, number)) for number, line in enumerate(lines, 1)]


def stream_lines(path: Path) -> Iterator[str]:
    """Read a plain file of any size in the same way, line by line.

    Raises:
        UsageError: at the first line that is not UTF-8, or if there is no line.
    """
    with path.open("rb") as file:
        number = 0
        for number, line in enumerate(file, 1):
            yield clean_line(decode(line, path, number))
    if not number:
        raise UsageError(f"{path} must hold one sentence per line, but is empty.")


def clean_line(text: str) -> str:
    """Return NFC with every run of white space replaced by one blank, as tokenisers do.

    White space includes tabs, the CR of a Windows line end, and line separators such as U+2028.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def decode(line: bytes, path: Path, number: int) -> str:
    """Decode a line of UTF-8.

    Raises:
        UsageError: naming file, line and column of the first byte that is not UTF-8.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} must be UTF-8, but line {number} holds the byte "
            f"0x{line[error.start]:02x} at column {error.start + 1}."
        ) from error


def read_pairs(source: Path, target: Path, *, expected: int | None = None) -> Pairs:
    """Read both sides of a split.

    Raises:
        UsageError: if the sides differ in length, or from the ``expected`` number of lines.
    """
    sources, targets = read_lines(source), read_lines(target)
    if len(sources) != len(targets):
        raise UsageError(
            f"{source} and {target} must have the same number of lines, "
            f"but have {len(sources)} and {len(targets)}."
        )
    if expected is not None and len(sources) != expected:
        raise UsageError(f"{source} must have {expected} lines, but has {len(sources)}.")
    return list(zip(sources, targets, strict=True))


def without_blank(pairs: Pairs) -> Pairs:
    """Leave out the pairs with an empty side."""
    return [pair for pair in pairs if all(pair)]


def write_raw(directory: Path, split: str, pairs: Pairs) -> None:
    """Write the text of a split as it is, for scores to be computed against."""
    for side, lang in enumerate(LANGUAGES):
        path = DataCard.raw_file(directory, split, lang)
        path.parent.mkdir(exist_ok=True)
        text = "".join(pair[side] + "\n" for pair in pairs)
        path.write_text(text, encoding="utf-8", newline="\n")
