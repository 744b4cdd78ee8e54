"""A table in LaTeX of 2020 or newer that needs no package."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
}
# Two of these in a row would become a dash or a quotation mark.
_LIGATURE = re.compile(r"([-',])(?=\1)")


def escaped(text: str) -> str:
    """Return text that LaTeX sets as it is, on one line."""
    letters = "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))
    return _LIGATURE.sub(r"\1{}", letters)


def table(headings: Sequence[str], lines: Sequence[Sequence[str]], remarks: Sequence[str]) -> str:
    """Return a tabular of plain text, below the remarks as comments.

    Every line has a value a heading; the first column is set to the left, like all text, and what
    reads as numbers to the right.
    """
    _, *columns = zip(*lines, strict=True)
    places = "l" + "".join("r" if _are_numbers(column) else "l" for column in columns)
    rows = [" & ".join(_cell(text) for text in line) + r" \\" for line in lines]
    head = " & ".join(escaped(text) for text in headings) + r" \\"
    return "\n".join(
        [
            *(f"% {' '.join(remark.split())}" for remark in remarks),
            rf"\begin{{tabular}}{{{places}}}",
            r"\hline",
            head,
            r"\hline",
            *rows,
            r"\hline",
            r"\end{tabular}",
            "",
        ]
    )


def _cell(text: str) -> str:
    # A minus sign, not a hyphen.
    return f"$-${text[1:]}" if text[:1] == "-" and _number(text) else escaped(text)


def _are_numbers(column: Sequence[str]) -> bool:
    return all(_number(text) for text in column if text)


def _number(text: str) -> bool:
    return text.strip("+-0123456789.,") == "" and any(map(str.isdigit, text))
