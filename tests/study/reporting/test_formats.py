"""Tables in Markdown and LaTeX, read back by libraries that know nothing of this package."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pylatexenc.latex2text import LatexNodes2Text

from attn_nmt.study.reporting.formats import latex_table, markdown_table

# One line without spaces at its ends, of characters that either format treats as special.
TEXT = st.text(r"ab12 -_*`\{}[]<>|#~&$%^'\",.!±Δ", max_size=20).map(
    lambda text: " ".join(text.split())
)
TABLE = st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=2, max_size=4)


def read_markdown(text: str) -> list[tuple[str, ...]]:
    """The cells as a reader sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert [token.type for token in tokens[:1]] == ["table_open"]
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            children = token.children or []
            assert {child.type for child in children} <= {"text", "text_special"}, token
            rows[-1].append("".join(child.content for child in children))
    return [tuple(row) for row in rows]


def read_latex(text: str) -> list[tuple[str, ...]]:
    """The cells as a reader sees them."""
    _, body = text.split(r"\begin{tabular}")
    lines = [line.removesuffix(r" \\") for line in body.splitlines() if line.endswith(r" \\")]
    # An escaped ampersand has a backslash before it and no space around it.
    cells = [line.replace(r"\&", "\0").split("&") for line in lines]
    return [tuple(plain(cell.strip()) for cell in row) for row in cells]


def plain(text: str) -> str:
    read: str = LatexNodes2Text().latex_to_text(text.replace("\0", r"\&"))
    return read.replace("\u02c6", "^").replace("\u2212", "-")


@settings(max_examples=60)
@given(TABLE)
def test_markdown_cells_are_read_back_as_they_were(table: list[tuple[str, ...]]) -> None:
    assert read_markdown(markdown_table(table[0], table[1:])) == table


@settings(max_examples=60)
@given(TABLE)
@example([(r"a\\b{{}}__##~~^^", "--x ---", "'' ,, ``"), ("&&", "%%$$", "<<>>||")])
def test_latex_cells_are_read_back_as_they_were(table: list[tuple[str, ...]]) -> None:
    text = latex_table(table[0], table[1:], caption="a", label="b")
    assert read_latex(text) == table
    # LaTeX stops at these outside formulas; the library does not.
    assert not re.search(r"(?<!\\)[_^#~]", text)


def test_latex_aligns_numbers_to_the_right_and_sets_a_minus_sign() -> None:
    text = latex_table(
        ["cell", "x", "seeds", "y"],
        [["0100", "-1.5", "1 of 2", "3"], ["1", "", "", "none"]],
        caption="50% of x_1",
        label="own grid & more",
        remarks=["a\nremark"],
    )
    assert text.splitlines() == [
        r"% \usepackage{booktabs} belongs into the preamble.",
        "% a remark",
        r"\begin{table}",
        r"\centering",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        r"\caption{50\% of x\_1}",
        r"\label{tab:own-grid-more}",
        r"\begin{tabular}{lrll}",
        r"\toprule",
        r"cell & x & seeds & y \\",
        r"\midrule",
        r"0100 & $-$1.5 & 1 of 2 & 3 \\",
        r"1 &  &  & none \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
