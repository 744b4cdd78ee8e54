"""What an inspection leaves in its directory: the page, a PNG per sublayer, and the arrays."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from attn_nmt.atomic import replacing
from attn_nmt.study.colours import COLOURS
from attn_nmt.study.inspecting.capture import Sentence
from attn_nmt.study.inspecting.panel_data import Array, Arrows, Panel, TermShares
from attn_nmt.study.inspecting.pictures import write_picture

PAGE, PICTURES, ARRAYS = "index.html", "pictures", "arrays.npz"

_TEMPLATE = Path(__file__).parent / "template"
_DIGITS = 5
"""Significant digits of a number in the page."""
_UNIFORM = 1e-6
"""Nats below which weights are uniform up to rounding, and no term has a share in them."""


def write_files(
    out: Path,
    panels: Sequence[Panel],
    sentence: Sentence,
    *,
    facts: Mapping[str, str],
    flags: Mapping[str, str],
    dump: bool,
) -> None:
    """Write page, pictures and, with ``dump``, arrays; those of an earlier sentence are replaced.

    Args:
        out: the directory, made if it is missing.
        panels: those of every sublayer.
        sentence: the one that they show.
        facts: what the model is, by name.
        flags: those that the model was made with.
        dump: whether to write the arrays.
    """
    pictures = {panel.path: f"{PICTURES}/{panel.path}.png" for panel in panels if panel.is_drawn}
    (out / PICTURES).mkdir(parents=True, exist_ok=True)
    # The page comes last: once it is new, everything is.
    for panel in panels:
        if panel.path in pictures:
            write_picture(out / pictures[panel.path], panel)
    if dump:
        write_arrays(out / ARRAYS, panels, sentence)
    write_page(out / PAGE, panels, sentence, facts=facts, flags=flags, pictures=pictures)
    # What is left of an earlier sentence or model belongs to no page.
    for path in (out / PICTURES).glob("*coder.layers.*.png"):
        if path not in {out / name for name in pictures.values()}:
            path.unlink()
    if not dump:
        (out / ARRAYS).unlink(missing_ok=True)


def write_arrays(path: Path, panels: Sequence[Panel], sentence: Sentence) -> None:
    """Write an npz that ``numpy.load`` reads without pickles; see :func:`named_arrays`."""
    # An open file, not a path: numpy would append .npz to the name.
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **named_arrays(panels, sentence))


def named_arrays(panels: Sequence[Panel], sentence: Sentence) -> dict[str, Any]:
    """Return everything that the panels show, and the tokens, as numpy arrays.

    The arrays of a sublayer are named by its module and what they hold, such as
    ``decoder.layers.0.encoder_attn.energy.query_key``; the tokens are ``source_tokens``,
    ``input_tokens`` (what the decoder reads) and ``target_tokens`` (what it is to predict).
    """
    arrays = {
        f"{panel.path}.{name}": values for panel in panels for name, values in panel.arrays.items()
    }
    texts = {
        "text": sentence.text,
        "translation": sentence.translation,
        "source_tokens": sentence.source_tokens,
        "input_tokens": sentence.input_tokens,
        "target_tokens": sentence.target_tokens,
    }
    return arrays | {name: np.array(value) for name, value in texts.items()}


def write_page(
    path: Path,
    panels: Sequence[Panel],
    sentence: Sentence,
    *,
    facts: Mapping[str, str],
    flags: Mapping[str, str],
    pictures: Mapping[str, str],
) -> None:
    """Write one HTML file that needs nothing beside it but the PNGs it links to.

    Args:
        path: of the page.
        panels: those of every sublayer.
        sentence: the one that they show.
        facts: what the model is, by name.
        flags: those that the model was made with.
        pictures: links to the PNGs of panels, by the panels' paths.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATE), autoescape=True, undefined=StrictUndefined
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    script, style = ((_TEMPLATE / name).read_text("utf-8") for name in ("page.js", "page.css"))
    text = environment.get_template("page.html").render(
        panels=panels,
        sentence=sentence,
        facts=facts,
        flags=flags,
        pictures=pictures,
        data=page_data(panels),
        relative_shares=relative_shares,
        script=Markup(script),
        style=Markup(style),
        script_hash=_hash(script),
        style_hash=_hash(style),
    )
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def page_data(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Return what the page's script draws, ready for JSON."""
    return [
        {
            "part": panel.part,
            "layer": panel.layer,
            "path": panel.path,
            "title": panel.title,
            "notes": list(panel.notes),
            "pictures": [
                {**_rounded_fields(asdict(picture)), "unit": picture.unit}
                for picture in panel.pictures
            ],
            "arrows": None if panel.arrows is None else _arrows(panel.arrows),
            "shares": None if panel.shares is None else _share_table(panel.shares),
        }
        for panel in panels
    ]


def _arrows(arrows: Arrows) -> dict[str, Any]:
    return {**_rounded_fields(asdict(arrows)), "colours": list(COLOURS.values())}


def relative_shares(shares: TermShares, head: int | None = None) -> list[float | None]:
    """Return the share of each term in the divergence from uniform; together they add up to 1.

    All are None if there is no divergence. ``head`` None means all heads together.
    """
    nats = shares.nats.mean(axis=0) if head is None else shares.nats[head]
    total = float(nats.sum())
    return [float(share) / total if total > _UNIFORM else None for share in nats]


def _share_table(shares: TermShares) -> dict[str, Any]:
    """Return the shares of all heads together, then head by head."""
    heads = [None, *range(len(shares.nats))]
    return {
        "terms": list(shares.terms),
        "nats": [_rounded(shares.nats.mean(axis=0)), *_rounded(shares.nats)],
        "parts": [relative_shares(shares, head) for head in heads],
    }


def _rounded_fields(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _rounded(value) if isinstance(value, np.ndarray) else value
        for name, value in fields.items()
    }


def _rounded(values: Array) -> Any:
    """Return nested lists of numbers with few digits; True and False become 1 and 0."""
    if values.ndim > 1:
        return [_rounded(row) for row in values]
    return [int(n) if n == int(n) else float(f"{n:.{_DIGITS}g}") for n in values.tolist()]


def _hash(text: str) -> str:
    """Return the name of a script or style in a content security policy."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
