"""WMT's SGM files: segments of documents, aligned by name and not by line."""

from __future__ import annotations

import html
import re
from pathlib import Path

from attn_nmt.command_line import UsageError
from data_prep.text import Pairs, clean_line, decode

_TAG = re.compile(
    r"""<doc\s[^>]*?docid\s*=\s*["']?(?P<doc>[^"'\s>]+)[^>]*>
      | <seg\s[^>]*?id\s*=\s*["']?(?P<seg>[^"'\s>]+)[^>]*>(?P<text>.*?)</seg\s*>""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)


def read_segments(path: Path) -> dict[tuple[str, str], str]:
    """Return the text of each segment by document and number, entities resolved.

    A segment may span lines. It is treated like a line of a plain file: NFC, single blanks.

    Raises:
        UsageError: if the file is not UTF-8, has no segments, or has one of them twice.
    """
    lines = path.read_bytes().split(b"\n")
    text = "\n".join(decode(line, path, number) for number, line in enumerate(lines, 1))
    found: dict[tuple[str, str], str] = {}
    document = ""
    for match in _TAG.finditer(text):
        if match["doc"]:
            document = match["doc"]
            continue
        key = (document, match["seg"])
        if key in found:
            raise UsageError(f"{path} must hold a segment once, but {_named(key)} stands twice.")
        found[key] = clean_line(html.unescape(match["text"]))
    if not found:
        raise UsageError(f"{path} must hold <seg> elements, but has none.")
    return found


def read_sgm_pairs(source: Path, target: Path, *, allow_missing: bool) -> Pairs:
    """Pair the segments of both sides, in the order of the source.

    Args:
        allow_missing: leave out a segment that one side lacks, or has nothing in, rather than
            refuse it.

    Raises:
        UsageError: naming the first segment that one side lacks, or has nothing in.
    """
    sources, targets = read_segments(source), read_segments(target)
    if not allow_missing:
        for found, path, other in ((sources, source, targets), (targets, target, sources)):
            for key in other:
                if not found.get(key):
                    raise UsageError(
                        f"{path} must hold a text for each segment of the other side, but "
                        f"{_named(key)} is missing; --allow-subset leaves it out."
                    )
    return [(sources[key], targets[key]) for key in sources if sources[key] and targets.get(key)]


def _named(key: tuple[str, str]) -> str:
    return f"segment {key[1]} of document {key[0] or '(unnamed)'}"
