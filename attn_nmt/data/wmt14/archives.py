"""The archives of WMT14 English-German: where they are, and how they are verified and extracted."""

from __future__ import annotations

import shutil
import sys
import tarfile
import zlib
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from attn_nmt.command_line import UsageError
from attn_nmt.data.download import fetch
from attn_nmt.data_card import sha256


@dataclass(frozen=True)
class Member:
    """A file of an archive, and the number of its lines or segments."""

    path: str
    lines: int


@dataclass(frozen=True)
class Archive:
    """One download. A checksum that is not published is None, and not verified."""

    name: str
    location: str
    """Directory of its address; the first part is a key of :data:`HOSTS`."""
    source: Member
    target: Member
    split: str
    megabytes: int
    """Size in MiB, rounded, as on the web page of the task; for the user's information."""
    sha256: str | None = None

    @property
    def urls(self) -> list[str]:
        """Addresses of the directory, in the order in which to try them."""
        host, _, rest = self.location.partition("/")
        return [f"{url}/{rest}" for url in HOSTS[host]]


# Each holds the same files; some networks block all but one.
HOSTS = {
    "wmt": ["https://www.statmt.org", "http://www.statmt.org", "http://statmt.org"],
    "data": ["https://data.statmt.org", "http://data.statmt.org"],
}


def _training(
    name: str, location: str, stem: str, lines: int, megabytes: int, sha256: str | None = None
) -> Archive:
    source, target = (Member(f"{stem}.de-en.{lang}", lines) for lang in ("en", "de"))
    return Archive(name, location, source, target, "train", megabytes, sha256)


EUROPARL = _training(
    "training-parallel-europarl-v7.tgz",
    "wmt/wmt13",
    "training/europarl-v7",
    1_920_209,
    628,
    "0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7",
)
COMMON_CRAWL = _training(
    "training-parallel-commoncrawl.tgz",
    "wmt/wmt13",
    "commoncrawl",
    2_399_123,
    876,
    "c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5",
)
NEWS_COMMENTARY = {
    "9": _training(
        "training-parallel-nc-v9.tgz", "wmt/wmt14", "training/news-commentary-v9", 201_288, 77
    ),
    "12": _training(
        "training-parallel-nc-v12.tgz",
        "data/wmt17/translation-task",
        "training/news-commentary-v12",
        270_769,
        161,
        "2b45f30ef1d550d302fd17dd3a5cbe19134ccc4c2cf50c2dae534aee600101a2",
    ),
}
NEWSTEST2013 = Archive(
    "dev.tgz",
    "data/wmt17/translation-task",
    Member("dev/newstest2013.en", 3000),
    Member("dev/newstest2013.de", 3000),
    "valid",
    37,
    "9d5ff04a28496b7796904ea65e50e3837bab14dbdca88b1e063105f17513dca9",
)
NEWSTEST2014 = Archive(
    "test-full.tgz",
    "wmt/wmt14",
    Member("test-full/newstest2014-deen-src.en.sgm", 3003),
    Member("test-full/newstest2014-deen-ref.de.sgm", 3003),
    "test",
    3,
)


def select_archives(*, news_commentary: str, valid: str) -> list[Archive]:
    """Return the archives for the given options, training text first, in the order of use."""
    training = [EUROPARL, COMMON_CRAWL, NEWS_COMMENTARY[news_commentary]]
    return [*training, *([NEWSTEST2013] if valid == "newstest2013" else []), NEWSTEST2014]


def get_archive(archive: Archive, directory: Path, args: Namespace) -> Path:
    """Return the verified archive: in a mirror directory, or downloaded into ``directory``.

    Raises:
        UsageError: if it is not available, or its checksum is wrong and a subset is not allowed.
    """
    mirror: str | None = args.mirror
    if mirror is not None and "://" not in mirror:
        path = Path(mirror) / archive.name
        if not path.is_file():
            raise UsageError(f"--mirror must hold the file {archive.name}, but {path} is missing.")
    elif not (path := directory / archive.name).is_file():
        path = _fetch(archive, directory, mirror)
    checksum = sha256(path)
    if archive.sha256 is not None and checksum != archive.sha256 and not args.allow_subset:
        if path.parent == directory:
            # So that the next run downloads it again.
            path.unlink()
        raise UsageError(
            f"{path} must have the SHA-256 {archive.sha256}, but has {checksum}; get it again, or "
            "accept another version of it with --allow-subset."
        )
    return path


def _fetch(archive: Archive, directory: Path, mirror: str | None) -> Path:
    """Download from the mirror, or from the first public address that works."""
    *earlier, last = [mirror] if mirror is not None else archive.urls
    for url in earlier:
        try:
            return fetch(archive.name, url, directory)
        except UsageError as error:
            print(error, file=sys.stderr)
    return fetch(archive.name, last, directory)


def extract(path: Path, members: list[str], directory: Path) -> None:
    """Write the members of a tar archive below ``directory``, under their own paths.

    All entries are checked, not only the members: a path that leaves the directory, a link or a
    device means that the archive is not what it should be, and nothing of it is used.

    Raises:
        UsageError: if the archive is damaged, holds such an entry, or lacks a member.
    """
    try:
        with tarfile.open(path, "r:*") as tar:
            entries = {}
            for entry in tar:
                _refuse_unsafe(path, entry)
                # "./training/x" and "training/x" are the same.
                entries[str(PurePosixPath(entry.name))] = entry
            for name in members:
                if name not in entries or not entries[name].isfile():
                    raise UsageError(f"{path} must hold the file {name}, but it is missing.")
                _write(tar, entries[name], directory / name)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.filename not in (None, str(path)):
            raise
        raise UsageError(
            f"{path} must be a complete tar archive, but is damaged: {error}."
        ) from error


def _refuse_unsafe(archive: Path, entry: tarfile.TarInfo) -> None:
    path = PurePosixPath(entry.name)
    if path.is_absolute() or ".." in path.parts:
        raise UsageError(f"{archive} must stay in its directory, but holds the path {entry.name}.")
    if not (entry.isfile() or entry.isdir()):
        raise UsageError(
            f"{archive} must hold only files and directories, but {entry.name} is a link or a "
            "device."
        )


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(entry)
    assert content is not None, "a file has content"
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
