"""The sections of a report as an HTML page, as Markdown and as LaTeX, from the same plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from attn_nmt.study.paired_tests import LEVEL
from attn_nmt.study.reporting.results_table import Column
from attn_nmt.version import __version__

TABLE_FORMATS = {"CSV": "csv", "LaTeX": "tex", "Markdown": "md"}
"""The endings of the table's files."""
_TEMPLATE = "page.html"
_LATEX_KEYS = (
    "cell",
    "seeds",
    "bleu",
    "bleu_deviation",
    "paper_bleu",
    "before",
    "bleu_difference",
    "significant",
    "gmacs",
)
"""The columns for which a page of paper has room."""


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
    findings: Sequence[str]
    """What to look at first."""
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
    def table_files(self) -> dict[str, str]:
        """The files of the table by their formats."""
        return {form: f"{self.name}.{end}" for form, end in TABLE_FORMATS.items()}

    @property
    def legend(self) -> list[str]:
        """What each column means."""
        return [f"{column.heading}: {column.meaning}" for column in self.columns]


def html_page(title: str, date: str, sections: Sequence[Section]) -> str:
    """Return one page with all sections; it shows no other file and runs no script.

    Its links lead to the files of the tables and figures beside it.
    """
    # Beside this file: the package may be imported from a user directory under another name.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment.get_template(_TEMPLATE).render(
        title=title, date=date, version=__version__, grids=sections
    )


def _breakable(name: str) -> Markup:
    """Let the name of a cell break behind its signs rather than inside words."""
    return Markup(re.sub(r"([=+,_])", r"\1<wbr>", str(escape(name))))


def markdown_section(section: Section) -> str:
    """Return a section in Markdown; its pictures are SVG files beside it."""
    pictures = "".join(
        f"![{markdown_escaped(picture.alt)}](<{quote(picture.name)}.svg>)\n\n"
        for picture in section.pictures
    )
    return (
        f"# {markdown_escaped(section.name)}\n\n{markdown_escaped(section.summary)}\n\n"
        + _markdown_list([*section.findings, *section.warnings])
        + f"{markdown_table(section.headings, section.texts)}\n"
        + _markdown_list(section.legend)
        + pictures
        + _markdown_list([f"{name}: {' / '.join(values)}" for name, values in section.settings])
    )


def latex_section(section: Section) -> str:
    """Return a table of a section in LaTeX, with everything else as comments above it.

    It has the columns that fit on a page; the CSV file has all.
    """
    places = [n for n, column in enumerate(section.columns) if column.key in _LATEX_KEYS]
    columns = [section.columns[n] for n in places]
    remarks = [
        section.name,
        *section.findings,
        *section.warnings,
        *(f"{column.heading}: {column.meaning}" for column in columns),
    ]
    return latex_table(
        [column.heading for column in columns],
        [[line[n] for n in places] for line in section.texts],
        caption=f"{section.name}: {section.summary} {_latex_legend(columns)}",
        label=section.name,
        remarks=remarks,
    )


def _latex_legend(columns: Sequence[Column]) -> str:
    shown = {column.key for column in columns}
    sentences = {
        "bleu": "BLEU is sacreBLEU's mean over the seeds.",
        "bleu_deviation": "After ± stands the standard deviation.",
        "significant": "A difference is significant if approximate randomisation within every seed "
        f"and a paired t-test over the seeds have p < {LEVEL}.",
        "gmacs": "GMACs are 10⁹ multiply-adds of a sentence pair.",
    }
    return " ".join(text for key, text in sentences.items() if key in shown)


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
    "⁹": r"\textsuperscript{9}",
}
# Two of these in a row would become a dash or a quotation mark.
_LATEX_LIGATURE = re.compile(r"([-',])(?=\1)")
_LATEX_NO_LABEL = re.compile(r"[^A-Za-z0-9:.-]+")


def latex_escaped(text: str) -> str:
    """Return text that LaTeX sets as it is, on one line."""
    letters = "".join(_LATEX_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))
    return _LATEX_LIGATURE.sub(r"\1{}", letters)


def latex_table(
    headings: Sequence[str],
    lines: Sequence[Sequence[str]],
    *,
    caption: str,
    label: str,
    remarks: Sequence[str] = (),
) -> str:
    """Return a table of plain text for LaTeX of 2020 or newer and the package booktabs.

    Every line has one value per heading. Columns of numbers are aligned to the right, all others
    and the first one to the left. The remarks stand above as comments.
    """
    _, *columns = zip(*lines, strict=True)
    alignments = "l" + "".join("r" if _are_numbers(column) else "l" for column in columns)
    rows = [" & ".join(_latex_cell(text) for text in line) + r" \\" for line in lines]
    head = " & ".join(latex_escaped(text) for text in headings) + r" \\"
    return "\n".join(
        [
            r"% \usepackage{booktabs} belongs into the preamble.",
            *(f"% {' '.join(remark.split())}" for remark in remarks),
            r"\begin{table}",
            r"\centering",
            r"\footnotesize",
            r"\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{latex_escaped(caption)}}}",
            rf"\label{{tab:{_LATEX_NO_LABEL.sub('-', label)}}}",
            rf"\begin{{tabular}}{{{alignments}}}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
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
