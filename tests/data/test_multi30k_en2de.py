"""prepare_multi30k_en2de.sh with complete and damaged mirrors."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commandline import refusal, run_command

from attn_nmt.data import multi30k_en2de
from attn_nmt.data.multi30k_en2de import load, main

LINES = {"train": 29000, "val": 1014, "test_2016_flickr": 1000}


@pytest.fixture(scope="module")
def whole_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six files of the published lengths, each sentence with its number."""
    directory = tmp_path_factory.mktemp("mirror")
    for stem, lines in LINES.items():
        for lang in ("en", "de"):
            text = "".join(f"{stem} {lang} {number}\n" for number in range(lines))
            (directory / f"{stem}.{lang}.gz").write_bytes(gzip.compress(text.encode(), 1))
    return directory


@pytest.fixture
def mirror(whole_mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to be damaged; what is whole counts as published."""
    texts = {file.stem: gzip.decompress(file.read_bytes()) for file in whole_mirror.iterdir()}
    sums = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    monkeypatch.setattr(multi30k_en2de, "_SHA256", sums)
    return shutil.copytree(whole_mirror, tmp_path / "mirror")


def test_the_three_splits_are_read_side_by_side(mirror: Path, tmp_path: Path) -> None:
    corpus = load(tmp_path / "scratch", mirror=str(mirror), langs=("en", "de"))
    assert {split: len(pairs) for split, pairs in corpus.items()} == {
        "train": 29000,
        "valid": 1014,
        "test": 1000,
    }
    assert corpus["valid"][7] == ("val en 7", "val de 7")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Return a damage that changes the text inside the archive."""

    def damage(path: Path) -> None:
        path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes())), 1))

    return damage


@pytest.mark.parametrize(
    ("name", "damage", "sentence"),
    [
        ("train.de.gz", truncate, "train.de.gz must be a complete gzip file, but is damaged: "),
        (
            "train.de.gz",
            rewrite(lambda text: text.replace(b"de 99\n", b"d\xe4 99\n", 1)),
            "train.de.gz must be UTF-8, but line 100 holds the byte 0xe4 at column 8.",
        ),
        (
            "val.en.gz",
            rewrite(lambda text: text.partition(b"\n")[2]),
            "val.de.gz must have the same number of lines, but have 1013 and 1014.",
        ),
        (
            "test_2016_flickr.en.gz",
            rewrite(lambda text: b""),
            "test_2016_flickr.en.gz must hold one sentence per line, but is empty.",
        ),
        (
            "train.de.gz",
            rewrite(lambda text: text.replace(b"de 99\n", b"de 98\n", 1)),
            "must hold the published text, with the SHA-256 ",
        ),
        ("train.en.gz", Path.unlink, "--mirror must hold the file train.en.gz, but "),
    ],
)
def test_a_damaged_mirror_is_refused_and_nothing_is_kept(
    mirror: Path, tmp_path: Path, name: str, damage: Callable[[Path], None], sentence: str
) -> None:
    damage(mirror / name)
    assert sentence in refusal(main, tmp_path / "out", "--mirror", mirror)
    assert [path.name for path in tmp_path.iterdir()] == ["mirror"]


def test_a_mirror_that_is_not_a_directory_is_refused(tmp_path: Path) -> None:
    command = ("bash", "data_prep/prepare_multi30k_en2de.sh", tmp_path / "out")
    result = run_command(*command, "--mirror", tmp_path / "none", check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"error: --mirror must be an address or a directory, but {tmp_path / 'none'} is neither."
    ]
