"""Reading parallel text: what is accepted, and the sentence for what is not."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.data.lines import (
    read_pairs,
    stream_columns,
    stream_lines,
    stream_pairs,
    without_blank,
)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["text.en", "text.en.gz"])
def test_lines_are_nfc_and_single_spaced(tmp_path: Path, name: str) -> None:
    data = "Schu\u0308ler\u00a0 \tfragen \r\n\nzwei\u2028drei\nohne Ende".encode()
    lines = list(stream_lines(write(tmp_path / name, data)))
    assert lines == ["Sch\u00fcler fragen", "", "zwei drei", "ohne Ende"]


def test_invalid_utf8_is_named_by_line_and_column(tmp_path: Path) -> None:
    path = write(tmp_path / "text.de", b"gut\nsch\xfcn\n")
    message = f"{path} must be UTF-8, but line 2 holds the byte 0xfc at column 4."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        list(stream_lines(path))


@pytest.mark.parametrize("data", [b"", b"\n", b"  \n\n"])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path / "text.de", data)
    message = f"{path} must hold one sentence per line, but is empty."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        list(stream_lines(path))


@pytest.mark.parametrize("kept", [5, 60])
def test_a_truncated_archive_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "text.de.gz"
    path.write_bytes(gzip.compress(bytes(range(32, 127)) * 20)[:kept])
    with pytest.raises(UsageError, match=f"^{path} must be a complete gzip file, but is damaged: "):
        list(stream_lines(path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="text.de must be a file, but is missing.$"):
        list(stream_lines(tmp_path / "text.de"))


def test_misaligned_sides_are_refused(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.en", b"1\n2\n3\n"), write(tmp_path / "a.de", b"1\n2\n")
    message = f"{source} and {target} must have the same number of lines, but have 3 and 2."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        list(stream_pairs(source, target))


def test_an_unexpected_length_is_refused(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.en", b"1\n2\n"), write(tmp_path / "a.de", b"1\n2\n")
    with pytest.raises(UsageError, match="a.en must have 3 lines, but has 2.$"):
        read_pairs(source, target, expected=3)


def test_blank_pairs_are_left_out() -> None:
    assert without_blank([("a", "b"), ("", "b"), ("a", ""), ("c", "d")]) == [("a", "b"), ("c", "d")]


def test_text_is_read_line_by_line(tmp_path: Path) -> None:
    """What is wrong further on is found only there."""
    source = write(tmp_path / "a.en.gz", b"one\ntwo\n")
    target = write(tmp_path / "a.fr", b"un\n" + b"\xff\n" * 2)
    pairs = stream_pairs(source, target)
    assert next(pairs) == ("one", "un")
    with pytest.raises(UsageError, match="line 2 holds the byte 0xff at column 1.$"):
        next(pairs)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", b"\xef\xbb\xbfone\tun\r\ntwo\tdeux\r\n")
    assert list(stream_columns(path)) == [("one", "un"), ("two", "deux")]
    assert list(stream_lines(path)) == ["one un", "two deux"]


def test_columns_are_cleaned_like_lines_and_quotation_marks_are_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv.gz", 'a  "b\t"c\u2028d\n\n\tx\n'.encode())
    assert list(stream_columns(path)) == [('a "b', '"c d'), ("", ""), ("", "x")]


@pytest.mark.parametrize(("line", "columns"), [(b"no tab", 1), (b"a\tb\tc", 3)])
def test_another_number_of_columns_is_refused(tmp_path: Path, line: bytes, columns: int) -> None:
    path = write(tmp_path / "a.tsv", b"a\tb\n" + line + b"\n")
    message = f"{path} must have two columns separated by a tab, but line 2 has {columns}."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        list(stream_columns(path))


def test_a_table_without_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must hold one sentence pair per line, but is empty.$"):
        list(stream_columns(write(tmp_path / "a.tsv", b"\t\n\n")))
