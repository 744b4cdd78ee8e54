"""A table in Markdown, as GitHub and Pandoc read it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$])")


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table of plain text; every line has a value a heading."""
    rule = ["---"] * len(headings)
    rows = [[escaped(text) for text in line] for line in (headings, *lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (rows[0], rule, *rows[1:]))
