"""The archives: the published ones, fetched from where they are; others are refused."""

from __future__ import annotations

import io
import shutil
import tarfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commandline import refusal, run_command
from support.wmt14_mirror import (
    COMMON_CRAWL,
    EUROPARL,
    FLAGS,
    SCRIPT,
    TEST_ARCHIVE,
    TEST_MEMBERS,
    contents,
    lines,
    pack,
    sgm,
)

from attn_nmt.command_line import UsageError
from attn_nmt.data import wmt14_en2de
from attn_nmt.data.wmt14 import archives
from attn_nmt.data.wmt14.archives import Archive, Member, get_archive, select_archives

ARCHIVE = Archive("a.tgz", "wmt/x", Member("a.en", 3), Member("a.de", 3), "train", 1)


def test_the_archives_are_those_of_the_published_corpus() -> None:
    selected = select_archives(news_commentary="9", valid="newstest2013")
    training = sum(archive.source.lines for archive in selected if archive.split == "train")
    assert training == 4_520_620
    assert [archive.split for archive in selected] == ["train"] * 3 + ["valid", "test"]
    assert [a.split for a in select_archives(news_commentary="12", valid="held-out")] == (
        ["train"] * 3 + ["test"]
    )


def test_public_addresses_are_tried_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = []

    def fetch(name: str, url: str, directory: Path) -> Path:
        tried.append(url)
        if len(tried) < 3:
            raise UsageError(f"{url} is out of order.")
        (directory / name).write_bytes(b"archive")
        return directory / name

    monkeypatch.setattr(archives, "fetch", fetch)
    args = Namespace(mirror=None, allow_subset=False)
    assert get_archive(ARCHIVE, tmp_path, args) == tmp_path / "a.tgz"
    assert tried == [
        "https://www.statmt.org/x",
        "http://www.statmt.org/x",
        "http://statmt.org/x",
    ]
    assert capsys.readouterr().err.count("out of order") == 2
    get_archive(ARCHIVE, tmp_path, args)
    assert len(tried) == 3


def truncated(directory: Path) -> None:
    path = directory / EUROPARL
    path.write_bytes(path.read_bytes()[:2000])


def add(archive: str, entry: tarfile.TarInfo, data: bytes = b"") -> Callable[[Path], None]:
    """Return a damage that adds an entry to an archive."""

    def change(directory: Path) -> None:
        files = contents()[archive]
        with tarfile.open(directory / archive, "w:gz") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))

    return change


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def replaced(
    archive: str, member: str, data: Callable[[bytes], bytes | None]
) -> Callable[[Path], None]:
    """Return a damage that changes one member of an archive, or leaves it out."""

    def change(directory: Path) -> None:
        files = contents()[archive]
        changed = data(files.pop(member))
        pack(directory, {archive: files if changed is None else {**files, member: changed}})

    return change


EUROPARL_DE = "training/europarl-v7.de-en.de"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (truncated, EUROPARL + " must be a complete tar archive, but is damaged: "),
        (
            lambda directory: (directory / COMMON_CRAWL).unlink(),
            f"--mirror must hold the file {COMMON_CRAWL}, but ",
        ),
        (
            add(EUROPARL, entry("../outside"), b"x"),
            "must stay in its directory, but holds the path ../outside.",
        ),
        (
            add(EUROPARL, entry("/etc/x"), b"x"),
            "must stay in its directory, but holds the path /etc/x.",
        ),
        (
            add(EUROPARL, entry("training/link", tarfile.SYMTYPE, "/etc/passwd")),
            "must hold only files and directories, but training/link is a link or a device.",
        ),
        (
            add(EUROPARL, entry("training/device", tarfile.CHRTYPE)),
            "must hold only files and directories, but training/device is a link or a device.",
        ),
        (
            replaced(EUROPARL, EUROPARL_DE, lambda data: None),
            f"must hold the file {EUROPARL_DE}, but it is missing.",
        ),
        (
            replaced(EUROPARL, EUROPARL_DE, lambda data: data + b"noch eine\n"),
            "must have the same number of lines, but have 240 and 241.",
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
            "must hold each segment once, but segment 1 of document news-1 appears twice.",
        ),
    ],
)
def test_a_bad_archive_is_refused_in_one_sentence(
    mirror: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Path], None],
    message: str,
) -> None:
    directory = shutil.copytree(mirror, tmp_path / "mirror")
    change(directory)
    out_dir = tmp_path / "out"
    assert message in refusal(wmt14_en2de.main, out_dir, "--mirror", directory, *FLAGS)
    assert "error" not in capsys.readouterr().err.lower()
    assert not out_dir.exists()
    assert not (tmp_path / "outside").exists()


def test_an_archive_with_another_checksum_must_be_allowed(mirror: Path, tmp_path: Path) -> None:
    result = run_command("bash", SCRIPT, tmp_path / "out", "--mirror", mirror, check=False)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert "must have the SHA-256 0224c7c7" in line
    assert line.endswith("get it again, or accept another version of it with --allow-subset.")


def test_a_download_with_another_checksum_is_not_kept(server: str, tmp_path: Path) -> None:
    """The next run downloads it again."""
    message = refusal(wmt14_en2de.main, tmp_path / "out", "--mirror", server)
    assert "must have the SHA-256 0224c7c7" in message
    assert not (tmp_path / ".out.partial" / "archives" / EUROPARL).exists()


def test_segments_are_paired_by_name(
    mirror: Path, prepare_text: Callable[..., None], tmp_path: Path
) -> None:
    """A segment that is missing on one side is left out of both, not paired with another."""
    directory = shutil.copytree(mirror, tmp_path / "mirror")
    source = sgm([f"sentence {number}" for number in range(5)])
    target = sgm([f"Satz {number}" for number in range(5)])
    without = target.replace(b'<seg id="3">Satz 2</seg>\n', b"")
    pack(directory, {TEST_ARCHIVE: dict(zip(TEST_MEMBERS, (source, without), strict=True))})
    prepare_text(tmp_path / "out", directory)
    numbers = (0, 1, 3, 4)
    raw = tmp_path / "out" / "raw"
    assert lines(raw / "test.en") == [f"sentence {number}" for number in numbers]
    assert lines(raw / "test.de") == [f"Satz {number}" for number in numbers]
