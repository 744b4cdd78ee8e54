"""The text of the archives: plain files and SGM, checked against the published numbers."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from attn_nmt.command_line import UsageError
from attn_nmt.data.lines import Pair, Pairs, clean_line, decode, stream_pairs
from attn_nmt.data.wmt14.archives import Archive, Member

Subset = dict[str, list[int]]
"""For each file that differs from the published one: its lines, the published lines."""

_TAG = re.compile(
    r"""<doc\s[^>]*?docid\s*=\s*["']?(?P<doc>[^"'\s>]+)[^>]*>
      | <seg\s[^>]*?id\s*=\s*["']?(?P<seg>[^"'\s>]+)[^>]*>(?P<text>.*?)</seg\s*>""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)


def check_counts(archives: list[Archive], text: Path, *, allow_subset: bool) -> Subset:
    """Compare the number of lines of every extracted file with the published one.

    Raises:
        UsageError: if the sides of a corpus differ, or a number differs from the published one
            and a subset is not allowed.
    """
    subset: Subset = {}
    for archive in archives:
        counts = [_count(text / member.path) for member in (archive.source, archive.target)]
        # Segments are paired by name, whatever their number.
        if counts[0] != counts[1] and not archive.source.path.endswith(".sgm"):
            raise UsageError(
                f"{archive.source.path} and {archive.target.path} of {archive.name} must have the "
                f"same number of lines, but have {counts[0]} and {counts[1]}."
            )
        for member, lines in zip((archive.source, archive.target), counts, strict=True):
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


def training_pairs(archives: list[Archive], text: Path) -> Iterator[Pair]:
    """Read the training text of all archives, pair by pair."""
    for archive in archives:
        if archive.split == "train":
            yield from stream_pairs(text / archive.source.path, text / archive.target.path)


def evaluation_pairs(archive: Archive, text: Path, *, allow_subset: bool) -> Pairs:
    """Read a validation or test set."""
    source, target = text / archive.source.path, text / archive.target.path
    if source.suffix == ".sgm":
        return read_sgm_pairs(source, target, allow_missing=allow_subset)
    return list(stream_pairs(source, target))


def read_sgm_pairs(source: Path, target: Path, *, allow_missing: bool) -> Pairs:
    """Pair the segments of both sides, in the order of the source.

    Args:
        allow_missing: leave out segments that are missing or empty on one side, instead of
            refusing them.

    Raises:
        UsageError: naming the first segment that is missing or empty on one side.
    """
    sources, targets = read_segments(source), read_segments(target)
    if not allow_missing:
        for segments, path, other in ((sources, source, targets), (targets, target, sources)):
            for key in other:
                if not segments.get(key):
                    raise UsageError(
                        f"{path} must hold a text for each segment of the other side, but "
                        f"{_describe(key)} is missing; --allow-subset leaves it out."
                    )
    return [(sources[key], targets[key]) for key in sources if sources[key] and targets.get(key)]


def read_segments(path: Path) -> dict[tuple[str, str], str]:
    """Return the segments of an SGM file by document and number, with entities resolved.

    A segment may span lines. It is cleaned like a line of a plain file: NFC, single blanks.

    Raises:
        UsageError: if the file is not UTF-8, has no segments, or has one of them twice.
    """
    lines = path.read_bytes().split(b"\n")
    text = "\n".join(decode(line, path, number) for number, line in enumerate(lines, 1))
    segments: dict[tuple[str, str], str] = {}
    document = ""
    for match in _TAG.finditer(text):
        if match["doc"]:
            document = match["doc"]
            continue
        key = (document, match["seg"])
        if key in segments:
            raise UsageError(
                f"{path} must hold each segment once, but {_describe(key)} appears twice."
            )
        segments[key] = clean_line(html.unescape(match["text"]))
    if not segments:
        raise UsageError(f"{path} must hold <seg> elements, but has none.")
    return segments


def _describe(key: tuple[str, str]) -> str:
    return f"segment {key[1]} of document {key[0] or '(unnamed)'}"
