"""One page with everything in it: it asks for no other file and runs no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from attn_nmt.study.reporting.columns import Column

_TEMPLATE = "page.html"


@dataclass(frozen=True)
class Line:
    """A row of the table as text."""

    texts: Sequence[str]
    has_score: bool


@dataclass(frozen=True)
class Picture:
    """A figure, told in words for those who do not see it."""

    caption: str
    alt: str
    data: str
    """SVG in base64."""


@dataclass(frozen=True)
class Section:
    """What the page says about one grid, as plain text; the template escapes all of it."""

    name: str
    summary: str
    cautions: Sequence[str]
    columns: Sequence[Column]
    lines: Sequence[Line]
    figures: Sequence[Picture]
    settings: Sequence[tuple[str, Sequence[str]]]


def page(title: str, sections: Sequence[Section]) -> str:
    """Return the page as HTML."""
    # The template lies beside this file however the package was imported.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(_TEMPLATE).render(title=title, grids=sections)
