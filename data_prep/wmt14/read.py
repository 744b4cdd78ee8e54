"""From archives to text: fetched, verified, extracted, counted."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard, sha256
from data_prep.download import fetch
from data_prep.segment import LANGUAGES
from data_prep.text import Pairs, stream_lines
from data_prep.wmt14.archives import Archive, Member
from data_prep.wmt14.extract import extract
from data_prep.wmt14.sgm import read_segments, read_sgm_pairs

Subset = dict[str, list[int]]


def get_archive(archive: Archive, folder: Path, options: Namespace) -> Path:
    """Return the verified archive: the one in a mirror folder itself, or a download in ``folder``.

    Raises:
        UsageError: if it cannot be had, or is not the known one and a subset is not allowed.
    """
    mirror: str | None = options.mirror
    if mirror is not None and "://" not in mirror:
        path = Path(mirror) / archive.name
        if not path.is_file():
            raise UsageError(f"--mirror must hold the file {archive.name}, but {path} is missing.")
    elif not (path := folder / archive.name).is_file():
        path = _fetch(archive, folder, mirror)
    found = sha256(path)
    if archive.sha256 is not None and found != archive.sha256 and not options.allow_subset:
        if path.parent == folder:
            # So that the next run downloads it again.
            path.unlink()
        raise UsageError(
            f"{path} must have the SHA-256 {archive.sha256}, but has {found}; get it again, or "
            "accept another version of it with --allow-subset."
        )
    return path


def _fetch(archive: Archive, folder: Path, mirror: str | None) -> Path:
    """Download from the mirror, or from the first public place that has the archive."""
    *earlier, last = [mirror] if mirror is not None else archive.places
    for place in earlier:
        try:
            return fetch(archive.name, place, folder)
        except UsageError as error:
            print(error, file=sys.stderr)
    return fetch(archive.name, last, folder)


def check_counts(archives: list[Archive], text: Path, *, allow_subset: bool) -> Subset:
    """Compare the lines of every extracted file with what is known.

    Returns:
        Of each file that differs, the number found and the known one.

    Raises:
        UsageError: if the sides differ from each other, or from the known number and a subset is
            not allowed.
    """
    subset: Subset = {}
    for archive in archives:
        found = [_count(text / member.path) for member in (archive.source, archive.target)]
        # Segments are paired by name, whatever their number.
        if found[0] != found[1] and not archive.source.path.endswith(".sgm"):
            raise UsageError(
                f"{archive.source.path} and {archive.target.path} of {archive.name} must have as "
                f"many lines as each other, but have {found[0]} and {found[1]}."
            )
        for member, lines in zip((archive.source, archive.target), found, strict=True):
            if lines != member.lines:
                _note_difference(subset, archive, member, lines, allow_subset)
    return subset


def _note_difference(
    subset: Subset, archive: Archive, member: Member, lines: int, allow_subset: bool
) -> None:
    if not allow_subset:
        raise UsageError(
            f"{member.path} of {archive.name} must have {member.lines} lines, but has {lines}; "
            "get the archive again, or accept a part of the corpus with --allow-subset."
        )
    subset[Path(member.path).name] = [lines, member.lines]


def _count(path: Path) -> int:
    if path.suffix == ".sgm":
        return len(read_segments(path))
    with path.open("rb") as file:
        lines, last = 0, b"\n"
        while block := file.read(1 << 20):
            lines, last = lines + block.count(b"\n"), block[-1:]
    return lines + (last != b"\n")


def extract_all(archives: list[Archive], paths: list[Path], text: Path) -> None:
    """Write the members that are needed below ``text``."""
    for archive, path in zip(archives, paths, strict=True):
        extract(path, [archive.source.path, archive.target.path], text)


def training_pairs(archives: list[Archive], text: Path) -> Iterator[tuple[str, str]]:
    """Read the training text of all archives, pair by pair."""
    for archive in archives:
        if archive.split == "train":
            sources, targets = (
                stream_lines(text / member.path) for member in (archive.source, archive.target)
            )
            yield from zip(sources, targets, strict=True)


def evaluation_pairs(archive: Archive, text: Path, *, allow_subset: bool) -> Pairs:
    """Read a validation or test set."""
    source, target = text / archive.source.path, text / archive.target.path
    if source.suffix == ".sgm":
        return read_sgm_pairs(source, target, allow_missing=allow_subset)
    return list(zip(stream_lines(source), stream_lines(target), strict=True))


def write_raw(folder: Path, split: str, pairs: Pairs) -> None:
    """Put a split's text aside as it is: scores are computed against it."""
    for side, lang in enumerate(LANGUAGES):
        path = DataCard.raw_file(folder, split, lang)
        path.parent.mkdir(exist_ok=True)
        text = "".join(pair[side] + "\n" for pair in pairs)
        path.write_text(text, encoding="utf-8", newline="\n")
