"""A small mirror of WMT14: the same archives and paths, other contents."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from data_prep.cldr import generate
from data_prep.text import Pairs

SIZES = {"europarl": 240, "commoncrawl": 40, "news": 40, "valid": 20, "test": 20}
ARCHIVES = {
    "training-parallel-europarl-v7.tgz": ("training/europarl-v7.de-en", "europarl"),
    "training-parallel-commoncrawl.tgz": ("commoncrawl.de-en", "commoncrawl"),
    "training-parallel-nc-v9.tgz": ("training/news-commentary-v9.de-en", "news"),
    "training-parallel-nc-v12.tgz": ("training/news-commentary-v12.de-en", "news"),
    "dev.tgz": ("dev/newstest2013", "valid"),
}
TEST_ARCHIVE = "test-full.tgz"
TEST_MEMBERS = (
    "test-full/newstest2014-deen-src.en.sgm", "test-full/newstest2014-deen-ref.de.sgm",
)  # fmt: skip


def contents() -> dict[str, dict[str, bytes]]:
    """Return the files of each archive."""
    total = SIZES["europarl"] + SIZES["commoncrawl"] + SIZES["news"]
    made = generate(seed=3, train=total, valid=SIZES["valid"], test=SIZES["test"])
    train, start = made["train"], 0
    parts: dict[str, Pairs] = {"valid": made["valid"]}
    for name in ("europarl", "commoncrawl", "news"):
        parts[name] = train[start : start + SIZES[name]]
        start += SIZES[name]
    files = {
        archive: {
            f"{stem}.{lang}": "".join(pair[side] + "\n" for pair in parts[part]).encode()
            for side, lang in enumerate(("en", "de"))
        }
        for archive, (stem, part) in ARCHIVES.items()
    }
    files[TEST_ARCHIVE] = {
        member: sgm([pair[side] for pair in made["test"]])
        for side, member in enumerate(TEST_MEMBERS)
    }
    return files


def sgm(lines: list[str], document: str = "news-1") -> bytes:
    """Return a document of WMT's format, with the entities that XML needs."""
    segments = "".join(
        f'<seg id="{number}">{line.replace("&", "&amp;").replace("<", "&lt;")}</seg>\n'
        for number, line in enumerate(lines, 1)
    )
    text = f'<srcset setid="x" srclang="any">\n<doc docid="{document}">\n<p>\n{segments}</p>\n'
    return (text + "</doc>\n</srcset>\n").encode()


def pack(folder: Path, files: dict[str, dict[str, bytes]]) -> Path:
    """Write the archives, byte for byte the same each time."""
    folder.mkdir(parents=True, exist_ok=True)
    for archive, members in files.items():
        with tarfile.open(folder / archive, "w:gz") as tar:
            for name, data in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    return folder
