"""WMT14 from archives that are damaged, hostile, not the known ones, or full of surprises."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commandline import run_command
from support.wmt14_mirror import (
    COMMON_CRAWL,
    EUROPARL,
    SCRIPT,
    TEST_ARCHIVE,
    TEST_MEMBERS,
    contents,
    lines,
    make,
    pack,
    sgm,
)

from attn_nmt.data_card import DataCard


def truncated(folder: Path) -> None:
    path = folder / EUROPARL
    path.write_bytes(path.read_bytes()[:2000])


def add(archive: str, entry: tarfile.TarInfo, data: bytes = b"") -> Callable[[Path], None]:
    """Return what puts one more entry into an archive."""

    def change(folder: Path) -> None:
        files = contents()[archive]
        with tarfile.open(folder / archive, "w:gz") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))

    return change


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def replaced(
    archive: str, member: str, data: Callable[[bytes], bytes | None]
) -> Callable[[Path], None]:
    """Return what changes one member of an archive, or leaves it out."""

    def change(folder: Path) -> None:
        files = contents()[archive]
        changed = data(files.pop(member))
        pack(folder, {archive: files if changed is None else {**files, member: changed}})

    return change


EUROPARL_DE = "training/europarl-v7.de-en.de"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (truncated, EUROPARL + " must be a whole tar archive, but is damaged: "),
        (
            lambda folder: (folder / COMMON_CRAWL).unlink(),
            f"--mirror must hold the file {COMMON_CRAWL}, but ",
        ),
        (
            add(EUROPARL, entry("../outside"), b"x"),
            "must stay in its folder, but holds the path ../outside.",
        ),
        (
            add(EUROPARL, entry("/etc/x"), b"x"),
            "must stay in its folder, but holds the path /etc/x.",
        ),
        (
            add(EUROPARL, entry("training/link", tarfile.SYMTYPE, "/etc/passwd")),
            "must hold files and folders only, but training/link is a link or a device.",
        ),
        (
            add(EUROPARL, entry("training/device", tarfile.CHRTYPE)),
            "must hold files and folders only, but training/device is a link or a device.",
        ),
        (
            replaced(EUROPARL, EUROPARL_DE, lambda data: None),
            f"must hold the file {EUROPARL_DE}, but it is missing.",
        ),
        (
            replaced(EUROPARL, EUROPARL_DE, lambda data: data + b"noch eine\n"),
            "must have as many lines as each other, but have 240 and 241.",
        ),
        (
            replaced(EUROPARL, EUROPARL_DE, lambda data: b"ein\xff" + data[3:]),
            "must be UTF-8, but line 1 holds the byte 0xff at column 4.",
        ),
        (
            replaced(TEST_ARCHIVE, TEST_MEMBERS[1], lambda data: b"<srcset></srcset>"),
            "must hold <seg> elements, but has none.",
        ),
        (
            replaced(TEST_ARCHIVE, TEST_MEMBERS[1], lambda data: data.replace(b'"2"', b'"1"')),
            "must hold a segment once, but segment 1 of document news-1 stands twice.",
        ),
    ],
)
def test_a_bad_archive_is_one_sentence(
    mirror: Path, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    folder = shutil.copytree(mirror, tmp_path / "mirror")
    change(folder)
    stderr = make(tmp_path / "out", folder, check=False)
    errors = [line for line in stderr.splitlines() if "error" in line.lower()]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert message in errors[0]
    assert stderr.splitlines()[-1] == errors[0]
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "outside").exists()


def test_another_archive_than_the_known_one_must_be_accepted(mirror: Path, tmp_path: Path) -> None:
    result = run_command("bash", SCRIPT, tmp_path / "out", "--mirror", mirror, check=False)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "must have the SHA-256 0224c7c7" in line
    assert line.endswith("get it again, or accept another version of it with --allow-subset.")


def test_a_download_that_is_not_the_known_one_is_not_kept(server: str, tmp_path: Path) -> None:
    """The next run gets it again."""
    result = run_command("bash", SCRIPT, tmp_path / "out", "--mirror", server, check=False)
    assert result.returncode == 1
    assert "must have the SHA-256 0224c7c7" in result.stderr.splitlines()[-1]
    assert not (tmp_path / ".out.partial" / "archives" / EUROPARL).exists()


def test_strange_lines_go_through_or_are_left_out(mirror: Path, tmp_path: Path) -> None:
    """Windows line ends, tabs and U+2028 become blanks; blank and endless lines are dropped."""
    folder = shutil.copytree(mirror, tmp_path / "mirror")
    strange = {
        b"one tab\there\r\n": b"ein Tab\thier\r\n",
        "a separator\u2028inside\n".encode(): "ein Trenner\u2028innen\n".encode(),
        b"nothing there\n": b"\n",
        b"word " * 10_000 + b"\n": b"Wort " * 10_000 + b"\n",
        b"far too short\n": b"viel zu lang " * 3 + b"\n",
    }
    files = contents()[EUROPARL]
    for name, added in zip(files, (strange.keys(), strange.values()), strict=True):
        files[name] = b"".join(added) + files[name]
    pack(folder, {EUROPARL: files})
    make(tmp_path / "out", folder)
    card = DataCard.read(tmp_path / "out")
    tokens = [lines(tmp_path / "out" / "tokens" / f"train.{lang}") for lang in ("en", "de")]
    assert tokens[0][:2] == ["one tab here", "a separator inside"]
    assert tokens[1][:2] == ["ein Tab hier", "ein Trenner innen"]
    assert card.dropped["blank"] == card.dropped["more than 250 tokens"] == 1
    assert len(tokens[0]) == len(tokens[1]) == card.lines["train"]


def test_segments_are_paired_by_name(mirror: Path, tmp_path: Path) -> None:
    """A segment that one side lacks is left out of both, not moved to another."""
    folder = shutil.copytree(mirror, tmp_path / "mirror")
    source = sgm([f"sentence {number}" for number in range(5)])
    target = sgm([f"Satz {number}" for number in range(5)])
    without = target.replace(b'<seg id="3">Satz 2</seg>\n', b"")
    pack(folder, {TEST_ARCHIVE: dict(zip(TEST_MEMBERS, (source, without), strict=True))})
    make(tmp_path / "out", folder)
    assert lines(tmp_path / "out" / "raw" / "test.en") == [
        "sentence 0",
        "sentence 1",
        "sentence 3",
        "sentence 4",
    ]
    assert lines(tmp_path / "out" / "raw" / "test.de") == ["Satz 0", "Satz 1", "Satz 3", "Satz 4"]
