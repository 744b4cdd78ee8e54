"""Parallel text: strict UTF-8, NFC, one sentence per line, as many lines on either side."""

from __future__ import annotations

import codecs
import gzip
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import TextIO

from attn_nmt.command_line import UsageError

SPLITS = ("train", "valid", "test")
Languages = tuple[str, str]
"""Source and target."""
Pair = tuple[str, str]
Pairs = list[Pair]
Corpus = dict[str, Pairs]
"""The pairs of each split."""


def stream_lines(path: Path) -> Iterator[str]:
    """Read a text file line by line, gzipped if its name ends in ``.gz``; lines end at LF or CR LF.

    A byte order mark at its beginning is skipped.

    Raises:
        UsageError: if the file is missing, empty, truncated, or not UTF-8.
    """
    has_text = False
    for number, line in enumerate(stream_raw_lines(path), 1):
        text = clean_line(decode(line, path, number))
        has_text = has_text or bool(text)
        yield text
    if not has_text:
        raise UsageError(f"{path} must hold one sentence per line, but is empty.")


def stream_raw_lines(path: Path) -> Iterator[bytes]:
    """Read the undecoded lines of a file in the same way.

    Raises:
        UsageError: if the file is missing or truncated.
    """
    if not path.is_file():
        raise UsageError(f"{path} must be a file, but is missing.")
    try:
        # Not str.splitlines, which also splits at U+2028 and others that may be inside a sentence.
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file):
                yield line if number else line.removeprefix(codecs.BOM_UTF8)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(
            f"{path} must be a complete gzip file, but is damaged: {error}."
        ) from error


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


def stream_pairs(source: Path, target: Path) -> Iterator[Pair]:
    """Read both sides of a split, pair by pair.

    Raises:
        UsageError: as :func:`stream_lines`, or at the end if the sides differ in length.
    """
    counts = [0, 0]
    for pair in zip_longest(stream_lines(source), stream_lines(target)):
        for side, line in enumerate(pair):
            counts[side] += line is not None
        if None not in pair:
            yield pair
    if counts[0] != counts[1]:
        raise UsageError(
            f"{source} and {target} must have the same number of lines, "
            f"but have {counts[0]} and {counts[1]}."
        )


def stream_columns(path: Path) -> Iterator[Pair]:
    """Read the pairs of a file of two columns, separated by a tab; quotation marks are text.

    Raises:
        UsageError: as :func:`stream_lines`, or at the first line with another number of columns.
    """
    has_pair = False
    for number, line in enumerate(stream_raw_lines(path), 1):
        columns = decode(line, path, number).split("\t")
        pair = tuple(clean_line(column) for column in columns)
        if len(pair) == 1 and not pair[0]:
            pair = ("", "")
        if len(pair) != 2:
            raise UsageError(
                f"{path} must have two columns separated by a tab, but line {number} has "
                f"{len(pair)}."
            )
        has_pair = has_pair or any(pair)
        yield pair
    if not has_pair:
        raise UsageError(f"{path} must hold one sentence pair per line, but is empty.")


def read_pairs(source: Path, target: Path, *, expected: int) -> Pairs:
    """Read both sides of a split whose number of lines is known.

    Raises:
        UsageError: as :func:`stream_pairs`, or if there is another number of lines.
    """
    pairs = list(stream_pairs(source, target))
    if len(pairs) != expected:
        raise UsageError(f"{source} must have {expected} lines, but has {len(pairs)}.")
    return pairs


def has_text(line: str) -> bool:
    """Return whether a line has a character that is more than a blank or a control character."""
    return any(character != " " and character.isprintable() for character in line)


def without_blank(pairs: Pairs) -> Pairs:
    """Leave out the pairs with an empty side."""
    return [pair for pair in pairs if all(pair)]


def write_raw(directory: Path, split: str, pairs: Iterable[Pair], langs: Languages) -> int:
    """Write the text of a split as it is, for scores to be computed against.

    Returns:
        The number of pairs.
    """
    number = 0
    with ExitStack() as stack:
        files = open_sides(stack, directory / "raw", split, langs)
        for number, pair in enumerate(pairs, 1):  # noqa: B007  the last one is returned
            write_pair(files, pair)
    return number


def open_sides(stack: ExitStack, directory: Path, split: str, langs: Languages) -> list[TextIO]:
    """Create the files of both sides of a split, which ``stack`` closes."""
    directory.mkdir(parents=True, exist_ok=True)
    return [
        stack.enter_context(
            (directory / f"{split}.{lang}").open("w", encoding="utf-8", newline="\n")
        )
        for lang in langs
    ]


def write_pair(files: list[TextIO], pair: Pair) -> None:
    """Write a line to either side."""
    for file, text in zip(files, pair, strict=True):
        file.write(text + "\n")
