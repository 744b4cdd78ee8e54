"""A small mirror of WMT14: the same archives and paths, other contents."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from attn_nmt.data.cldr import generate
from attn_nmt.data.lines import Pairs
from attn_nmt.data_card import sha256
from support.commandline import run_command

SCRIPT = "data_prep/prepare_wmt14_en2de.sh"
FLAGS = ("--allow-subset", "--bpe-merges", "400")
EUROPARL = "training-parallel-europarl-v7.tgz"
COMMON_CRAWL = "training-parallel-commoncrawl.tgz"
SIZES = {"europarl": 240, "commoncrawl": 40, "news": 40, "valid": 20, "test": 20}
ARCHIVES = {
    EUROPARL: ("training/europarl-v7.de-en", "europarl"),
    COMMON_CRAWL: ("commoncrawl.de-en", "commoncrawl"),
    "training-parallel-nc-v9.tgz": ("training/news-commentary-v9.de-en", "news"),
    "training-parallel-nc-v12.tgz": ("training/news-commentary-v12.de-en", "news"),
    "dev.tgz": ("dev/newstest2013", "valid"),
}
TEST_ARCHIVE = "test-full.tgz"
TEST_MEMBERS = (
    "test-full/newstest2014-deen-src.en.sgm",
    "test-full/newstest2014-deen-ref.de.sgm",
)


def contents() -> dict[str, dict[str, bytes]]:
    """Return the files of each archive."""
    total = SIZES["europarl"] + SIZES["commoncrawl"] + SIZES["news"]
    corpus = generate(seed=3, train=total, valid=SIZES["valid"], test=SIZES["test"])
    train, start = corpus["train"], 0
    parts: dict[str, Pairs] = {"valid": corpus["valid"]}
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
        member: sgm([pair[side] for pair in corpus["test"]])
        for side, member in enumerate(TEST_MEMBERS)
    }
    return files


def sgm(lines: list[str], document: str = "news-1") -> bytes:
    """Return a document in WMT's format, with the entities that XML needs."""
    segments = "".join(
        f'<seg id="{number}">{line.replace("&", "&amp;").replace("<", "&lt;")}</seg>\n'
        for number, line in enumerate(lines, 1)
    )
    text = f'<srcset setid="x" srclang="any">\n<doc docid="{document}">\n<p>\n{segments}</p>\n'
    return (text + "</doc>\n</srcset>\n").encode()


def pack(directory: Path, files: dict[str, dict[str, bytes]]) -> Path:
    """Write the archives, byte for byte the same each time."""
    directory.mkdir(parents=True, exist_ok=True)
    for archive, members in files.items():
        with tarfile.open(directory / archive, "w:gz") as tar:
            for name, data in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    return directory


def make(out_dir: Path, mirror: object, *flags: object) -> str:
    """Run the command on a mirror; return its standard error."""
    return run_command("bash", SCRIPT, out_dir, "--mirror", mirror, *FLAGS, *flags).stderr


def checksums(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of each file by its path."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): sha256(path) for path in files}


def text_checksums(directory: Path) -> dict[str, str]:
    """Return those of the text and the subwords: not of data-bin, card and downloads."""
    others = ("data-bin", "data_card.json", "archives")
    return {
        path: value for path, value in checksums(directory).items() if not path.startswith(others)
    }


def lines(path: Path) -> list[str]:
    """Return the lines of a text file."""
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
