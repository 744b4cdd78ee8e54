"""Draw ``terms_and_layer.svg``: the four terms of the energy, and one layer.

    python docs/figures/terms_and_layer.py [FILE]

The same file results every time; a test compares it with the committed one.
"""

from __future__ import annotations

import sys
from dataclasses import astuple
from html import escape
from pathlib import Path

from attn_nmt.terms import AttentionTerms

WIDTH, HEIGHT = 1020, 520
INK, GREY, PALE = "#24292f", "#8c959f", "#f6f8fa"
QUERY, KEY, POSITION, OPTIONAL = "#0969da", "#bc4c00", "#1a7f37", "#8250df"
FONT = "Helvetica, Arial, sans-serif"
MONO = "Menlo, Consolas, monospace"

# Bits, the factors of the product, and what they are.
TERMS = {
    "1000": ("q \u00b7 k", "content of query and key"),
    "0100": ("q \u00b7 r", "content of query, distance"),
    "0010": ("u \u00b7 k", "content of key"),
    "0001": ("v \u00b7 r", "distance"),
}
QUERY_INDEX, KEY_INDEX, TOKENS = 1, 4, 6


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 13,
    fill: str = INK,
    anchor: str = "start",
    bold: bool = False,
    mono: bool = False,
) -> str:
    """Return one line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" '
        f'font-family="{MONO if mono else FONT}"{weight}>{escape(words)}</text>'
    )


def box(x: float, y: float, width: float, height: float, *, stroke: str, fill: str) -> str:
    """Return a box with round corners."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" '
        f'fill="{fill}" stroke="{stroke}" stroke-width="1.5"/>'
    )


def line(points: list[tuple[float, float]], *, stroke: str = INK, head: bool = True) -> str:
    """Return a line through points, with an arrowhead at its end."""
    path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
    marker = f' marker-end="url(#head-{stroke[1:]})"' if head else ""
    return f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="1.5"{marker}/>'


def term(x: float, y: float, bits: str) -> list[str]:
    """Return the panel of one term: which of query, key and distance it reads."""
    formula, reads = TERMS[bits]
    terms = AttentionTerms.parse(bits)
    (name,) = terms.enabled
    parts = [
        box(x, y, 274, 182, stroke="#d0d7de", fill="white"),
        text(x + 14, y + 26, bits, bold=True, mono=True, size=15),
        text(x + 62, y + 26, name, mono=True),
        text(x + 260, y + 26, formula, anchor="end", bold=True, size=15),
        text(x + 14, y + 174, "reads: " + reads, size=12),
    ]
    left, step, side = x + 62, 35, 26
    rows = {
        "query": (y + 52, QUERY_INDEX, terms.uses_query, QUERY),
        "key": (y + 116, KEY_INDEX, terms.uses_key, KEY),
    }
    for top, index, is_read, color in rows.values():
        for number in range(TOKENS):
            chosen = number == index
            fill = color if chosen and is_read else PALE
            parts.append(
                box(
                    left + number * step,
                    top,
                    side,
                    side,
                    stroke=color if chosen else "#d0d7de",
                    fill=fill,
                )
            )
        label, position = ("z", "i") if color == QUERY else ("x", "j")
        parts.append(text(x + 12, top + 18, "queries" if color == QUERY else "keys", size=11))
        center = left + index * step + side / 2
        parts.append(text(center, top + (-5 if color == QUERY else 40), position, anchor="middle"))
        parts.append(
            text(
                center,
                top + 18,
                label,
                anchor="middle",
                fill="white" if is_read else GREY,
                bold=True,
            )
        )
    start = left + QUERY_INDEX * step + side / 2
    end = left + KEY_INDEX * step + side / 2
    if terms.uses_position:
        middle = y + 99
        parts += [
            line([(start, middle), (end, middle)], stroke=POSITION),
            line([(start, y + 79), (start, middle)], stroke=POSITION, head=False),
            line([(end, middle), (end, y + 115)], stroke=POSITION, head=False),
            text((start + end) / 2, middle - 6, "d = j \u2212 i", anchor="middle", fill=POSITION),
        ]
    elif terms.uses_query:
        parts.append(line([(start, y + 80), (end - 5, y + 114)]))
    return parts


def sublayer(y: float, title: str, flags: list[str], *, color: str, height: float) -> list[str]:
    """Return one residual sublayer of the layer, with the flags that choose it."""
    x, width = 660, 340
    parts = [box(x, y, width, height, stroke=color, fill="white")]
    parts.append(text(x + 12, y + 20, title, bold=True))
    parts += [
        text(x + 12, y + 38 + 15 * number, flag, mono=True, size=11, fill="#57606a")
        for number, flag in enumerate(flags)
    ]
    bypass = x - 28
    parts.append(
        line(
            [
                (x + width / 2, y + height + 9),
                (bypass, y + height + 9),
                (bypass, y - 13),
                (x + width / 2 - 9, y - 13),
            ]
        )
    )
    center = x + width / 2
    parts += [
        line([(center, y), (center, y - 5)], head=False),
        f'<circle cx="{center:g}" cy="{y - 13:g}" r="8" fill="white" stroke="{INK}" '
        'stroke-width="1.5"/>',
        text(center, y - 8, "+", anchor="middle", size=15),
        text(center + 14, y - 8, "layer norm", size=11, fill="#57606a"),
        line([(center, y + height + 14), (center, y + height + 1)]),
    ]
    return parts


def draw() -> str:
    """Return the figure as SVG."""
    parts = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(20, 30, "Four terms of the energy of query i and key j", size=16, bold=True),
        text(632, 30, "One layer", size=16, bold=True),
    ]
    for number, bits in enumerate(TERMS):
        assert sum(astuple(AttentionTerms.parse(bits))) == 1, "one term each"
        parts += term(20 + 290 * (number % 2), 46 + 196 * (number // 2), bits)
    parts += [
        text(20, 456, "energy: sum of the enabled terms / \u221aD", bold=True),
        text(20, 480, "weights: softmax over the allowed keys", bold=True),
        text(20, 504, "R(d): sinusoid of the signed distance; D: width of a head", size=12),
        text(330, 456, "q = q_proj z", fill=QUERY),
        text(450, 456, "k = k_proj x", fill=KEY),
        text(330, 480, "r = r_proj R(d)", fill=POSITION),
        text(450, 480, "u, v: learned"),
    ]
    stack = [
        ("Deformable convolution (optional)", ["--deformable-kernel-size 3"], OPTIONAL, 48),
        (
            "Self-attention, or a convolution, or none",
            [
                "--self-attn-type, --self-attn-terms 1111,",
                "--self-attn-span, --conv-kernel-sizes",
            ],
            QUERY,
            63,
        ),
        (
            "Encoder-decoder attention (decoder only)",
            ["--cross-attn-terms 1111"],
            KEY,
            48,
        ),
        (
            "Feed-forward, context broadcasting",
            ["--context-broadcast"],
            INK,
            48,
        ),
    ]
    y = 462.0
    parts.append(text(830, 495, "from the layer below", anchor="middle", size=12))
    for title, flags, color, height in stack:
        y -= height
        parts += sublayer(y, title, flags, color=color, height=height)
        y -= 38
    parts.append(line([(830, y + 16), (830, y - 2)]))
    parts.append(text(830, y - 10, "to the next layer", anchor="middle", size=12))
    colors = (INK, POSITION)
    heads = "".join(
        f'<marker id="head-{color[1:]}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{color}"/></marker>'
        for color in colors
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="The four terms, and one layer">'
    )
    return "\n".join([head, f"<defs>{heads}</defs>", *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_suffix(".svg")
    Path(target).write_text(draw(), encoding="utf-8")
