"""All panels as one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from attn_nmt.atomic import replacing
from attn_nmt.study.inspecting.panel import Array, Panel, Picture, Shares
from attn_nmt.study.inspecting.sentence import Sentence

DIGITS = 5
"""Significant digits of a number in the page."""
SCRIPTS = ("elements.js", "heat_map.js", "arrows.js", "choosers.js")
"""Of the template, in the order in which the page runs them, as one."""
UNIFORM = 1e-6
"""Nats below which weights are uniform but for rounding, and no term has a share in them."""


def write_page(
    path: Path,
    panels: Sequence[Panel],
    sentence: Sentence,
    *,
    facts: Mapping[str, str],
    flags: Mapping[str, Any],
    pictures: Mapping[str, str],
) -> None:
    """Write the page.

    Args:
        facts: what the model is, by name; flags: those it was made with.
        pictures: of panels by their path, where their PNGs lie as seen from the page.
    """
    environment = Environment(
        loader=PackageLoader(__package__, "template"), autoescape=True, undefined=StrictUndefined
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    script, style = "\n".join(_read(name) for name in SCRIPTS), _read("page.css")
    text = environment.get_template("page.html").render(
        panels=panels,
        sentence=sentence,
        facts=facts,
        flags=flags,
        pictures=pictures,
        data=page_data(panels),
        shares_of=term_shares,
        script=Markup(script),
        style=Markup(style),
        script_hash=_hash(script),
        style_hash=_hash(style),
    )
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def page_data(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Return what the page draws, ready for JSON."""
    return [
        {
            "part": panel.part,
            "layer": panel.layer,
            "path": panel.path,
            "title": panel.title,
            "notes": list(panel.notes),
            "pictures": [_picture(picture) for picture in panel.pictures],
            "arrows": None if panel.arrows is None else _plain(asdict(panel.arrows)),
            "shares": None if panel.shares is None else _shares(panel.shares),
        }
        for panel in panels
    ]


def term_shares(shares: Shares, head: int | None = None) -> list[float | None]:
    """Return the part of each term in the divergence from uniform, which add up to 1.

    None each if there is no divergence. ``head`` None means all heads together.
    """
    nats = shares.nats.mean(axis=0) if head is None else shares.nats[head]
    total = float(nats.sum())
    return [float(part) / total if total > UNIFORM else None for part in nats]


def _shares(shares: Shares) -> dict[str, Any]:
    heads = [None, *range(len(shares.nats))]
    return {
        "terms": list(shares.terms),
        "nats": [_rounded(shares.nats.mean(axis=0)), *_rounded(shares.nats)],
        "parts": [term_shares(shares, head) for head in heads],
    }


def _picture(picture: Picture) -> dict[str, Any]:
    return _plain(asdict(picture))


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _rounded(value) if hasattr(value, "dtype") else value
        for name, value in fields.items()
    }


def _rounded(values: Array) -> Any:
    """Return nested lists of numbers with few digits; True and False become 1 and 0."""
    if values.ndim > 1:
        return [_rounded(row) for row in values]
    return [int(n) if n == int(n) else float(f"{n:.{DIGITS}g}") for n in values.tolist()]


def _read(name: str) -> str:
    return (resources.files(__package__) / "template" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return what a content security policy calls a script or a style by."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
