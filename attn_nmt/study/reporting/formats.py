"""The sections of a report as an HTML page, as Markdown and as LaTeX, from the same plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from attn_nmt.study.reporting.results_table import Column

_TEMPLATE = "page.html"


@dataclass(frozen=True)
class Line:
    """A row of the table as text."""

    texts: Sequence[str]
    has_score: bool


@dataclass(frozen=True)
class Picture:
    """A figure, with a description for those who do not see it."""

    name: str
    """That of its files, without an ending."""
    caption: str
    alt: str
    data: str
    """SVG in base64."""


@dataclass(frozen=True)
class Section:
    """Everything about one grid as plain text, which each format escapes."""

    name: str
    summary: str
    warnings: Sequence[str]
    columns: Sequence[Column]
    lines: Sequence[Line]
    pictures: Sequence[Picture]
    settings: Sequence[tuple[str, Sequence[str]]]

    @property
    def headings(self) -> list[str]:
        """The headings of the table."""
        return [column.heading for column in self.columns]

    @property
    def texts(self) -> list[Sequence[str]]:
        """The cells of the table, line by line."""
        return [line.texts for line in self.lines]

    @property
    def legend(self) -> list[str]:
        """What each column means."""
        return [f"{column.heading}: {column.meaning}" for column in self.columns]


def html_page(title: str, sections: Sequence[Section]) -> str:
    """Return one page with all sections; it needs no other file and runs no script."""
    # Beside this file: the package may be imported from a user directory under another name.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(_TEMPLATE).render(title=title, grids=sections)


def markdown_section(section: Section) -> str:
    """Return a section in Markdown; its pictures are SVG files beside it."""
    pictures = "".join(
        f"![{markdown_escaped(picture.alt)}](<{picture.name}.svg>)\n\n"
        for picture in section.pictures
    )
    return (
        f"# {markdown_escaped(section.name)}\n\n{markdown_escaped(section.summary)}\n\n"
        + _markdown_list(section.warnings)
        + f"{markdown_table(section.headings, section.texts)}\n"
        + _markdown_list(section.legend)
        + pictures
        + _markdown_list([f"{name}: {' / '.join(values)}" for name, values in section.settings])
    )


def latex_section(section: Section) -> str:
    """Return the table of a section in LaTeX, below everything else as comments."""
    remarks = [section.name, section.summary, *section.warnings, *section.legend]
    return latex_table(section.headings, section.texts, remarks)


_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$])")


def markdown_escaped(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))


def markdown_table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table of plain text, as GitHub and Pandoc read it.

    Every line has one value per heading.
    """
    rule = ["---"] * len(headings)
    rows = [[markdown_escaped(text) for text in line] for line in (headings, *lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (rows[0], rule, *rows[1:]))


def _markdown_list(items: Sequence[str]) -> str:
    return "".join(f"- {markdown_escaped(item)}\n" for item in items) + "\n" * bool(items)


_LATEX_SPECIAL = {
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
_LATEX_LIGATURE = re.compile(r"([-',])(?=\1)")


def latex_escaped(text: str) -> str:
    """Return text that LaTeX sets as it is, on one line."""
    letters = "".join(_LATEX_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))
    return _LATEX_LIGATURE.sub(r"\1{}", letters)


def latex_table(
    headings: Sequence[str], lines: Sequence[Sequence[str]], remarks: Sequence[str]
) -> str:
    """Return a tabular of plain text for LaTeX of 2020 or newer, which needs no package.

    Every line has one value per heading. Columns of numbers are aligned to the right, all others
    and the first one to the left. The remarks stand above as comments.
    """
    _, *columns = zip(*lines, strict=True)
    alignments = "l" + "".join("r" if _are_numbers(column) else "l" for column in columns)
    rows = [" & ".join(_latex_cell(text) for text in line) + r" \\" for line in lines]
    head = " & ".join(latex_escaped(text) for text in headings) + r" \\"
    return "\n".join(
        [
            *(f"% {' '.join(remark.split())}" for remark in remarks),
            rf"\begin{{tabular}}{{{alignments}}}",
            r"\hline",
            head,
            r"\hline",
            *rows,
            r"\hline",
            r"\end{tabular}",
            "",
        ]
    )


def _latex_cell(text: str) -> str:
    # A minus sign, not a hyphen.
    return f"$-${text[1:]}" if text[:1] == "-" and _is_number(text) else latex_escaped(text)


def _are_numbers(column: Sequence[str]) -> bool:
    return all(_is_number(text) for text in column if text)


def _is_number(text: str) -> bool:
    return text.strip("+-0123456789.,") == "" and any(map(str.isdigit, text))
