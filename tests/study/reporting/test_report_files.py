"""The files of a report say the same, in a page that is safe and needs no other file."""

from __future__ import annotations

import base64
import csv
import io
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from support.result_folders import CARD, finished, started, translated
from support.translations import damaged, make_corpus, sentences

from attn_nmt.study.reporting.report_files import report_files
from attn_nmt.study.reporting.results import GridResults, find_grids
from attn_nmt.study.reporting.results_table import COLUMNS

SCRIPT = '<script>document.title="hacked"</script>'
# A directory may have this name.
IMAGE = "\"><img src=x onerror=document.title='hacked'>"
FIGURES = ("bleu-over-gmacs", "learning-curves")
PNG = b"\x89PNG"
SAMPLES = 20
DATE = "2026-11-26 08:30 UTC"


class Page(HTMLParser):
    """What a browser would see: elements, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.lasttag in ("td", "th", "wbr"):
            self.rows[-1][-1] += data.strip()

    def with_attribute(self, name: str) -> list[str]:
        return [str(attrs[name]) for _, attrs in self.elements if name in attrs]


@pytest.fixture(scope="module")
def two_grids(tmp_path_factory: pytest.TempPathFactory) -> list[GridResults]:
    """A table of the paper with two seeds, and a user's grid with names to be escaped."""
    references = sentences()
    directory = tmp_path_factory.mktemp("report")
    corpus, runs = make_corpus(directory / "corpus", references), directory / "runs"
    for seed, share in ((1, 0.2), (2, 0.3)):
        for number, cell in enumerate(("0100-span13", "dynamic-kernel13")):
            lines = damaged(references, 10 * number + seed, share - 0.1 * number)
            translated(runs / "table3", cell, seed, corpus, lines, references)
    started(runs / "table3", "0100", failure=SCRIPT)
    card = {"data_card": {**CARD, "corpus": SCRIPT}, "device": IMAGE}
    finished(runs / "a_b & $c?#1", IMAGE, environment=card, flags={"dropout": SCRIPT})
    finished(runs / "a_b & $c?#1", "a|b_c\\d$e 100%", 2, 21.0, gmacs=0.04)
    return find_grids(runs)


@pytest.fixture(scope="module")
def files(two_grids: list[GridResults]) -> dict[str, bytes]:
    return report_files(two_grids, SAMPLES, DATE)


def test_the_files_say_the_same(files: dict[str, bytes]) -> None:
    names = [
        f"{grid}{end}"
        for grid in ("table3", "a_b & $c?#1")
        for end in (
            ".csv",
            ".md",
            ".tex",
            *(f"-{figure}.{form}" for figure in FIGURES for form in ("svg", "png")),
        )
    ]
    assert list(files) == [*names, "report.html"]
    page = Page(files["report.html"].decode())
    for grid in ("table3", "a_b & $c?#1"):
        rows = list(csv.DictReader(io.StringIO(files[f"{grid}.csv"].decode())))
        assert set(rows[0]) == {column.key for column in COLUMNS}
        heading, *lines = markdown_rows(files[f"{grid}.md"].decode())
        columns = [column for column in COLUMNS if column.heading in heading]
        assert [column.heading for column in columns] == heading
        assert len(lines) == len(rows)
        for line, row in zip(lines, rows, strict=True):
            assert line == [shown(row[column.key], column.form) for column in columns]
            assert line in page.rows
        assert heading in page.rows
        assert files[f"{grid}.tex"].decode().count(r" \\") == len(rows) + 1
        for figure in FIGURES:
            assert is_svg(files[f"{grid}-{figure}.svg"])
            assert files[f"{grid}-{figure}.png"].startswith(PNG)


def markdown_rows(text: str) -> list[list[str]]:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    rows: list[list[str]] = []
    for opening, token in pairwise(tokens):
        if opening.type == "tr_open":
            rows.append([])
        if opening.type in ("td_open", "th_open"):
            rows[-1].append("".join(child.content for child in token.children or []))
    return rows


def shown(value: str, form: str) -> str:
    if form:
        return format(float(value), form.replace("d", ".0f")) if value else ""
    return {"True": "yes", "False": ""}.get(value, value)


def is_svg(content: bytes) -> bool:
    return ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


def test_nothing_in_the_page_runs_or_is_fetched(files: dict[str, bytes]) -> None:
    text = files["report.html"].decode()
    page = Page(text)
    for hostile in (SCRIPT, IMAGE, f"--dropout '{SCRIPT}'", f"seed 1: failed: {SCRIPT}"):
        assert hostile in page.text
    assert "script" not in {tag for tag, _ in page.elements}
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    images = [attrs for tag, attrs in page.elements if tag == "img"]
    assert len(images) == 4 and all(image["alt"] for image in images)
    for image in images:
        kind, content = str(image["src"]).split(",")
        assert kind == "data:image/svg+xml;base64" and is_svg(base64.b64decode(content))
    links = page.with_attribute("href")
    assert links[:2] == ["#grid1", "#grid2"]
    # Beside the page are all other files, and it leads to each.
    assert {unquote(link) for link in links[2:]} == set(files) - {"report.html"}
    assert not any(":" in link or "?" in link or "#" in link for link in links[2:])
    ids = page.with_attribute("id")
    assert len(set(ids)) == len(ids) and {"grid1", "grid2"} < set(ids)
    assert "url(" not in text and "@import" not in text and "<link" not in text
    policy = next(attrs["content"] for _, attrs in page.elements if "http-equiv" in attrs)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_the_page_says_when_it_was_written_how_to_read_it_and_what_first(
    files: dict[str, bytes],
) -> None:
    text = Page(files["report.html"].decode()).text
    assert f"Written on {DATE} by attn_nmt " in text
    order = ["How to read this", "table3", "Look at this first", "Before you compare", "Results"]
    places = [text.index(part, text.index("How to read")) for part in order]
    assert places == sorted(places)
    assert "Fewer than 3 seeds are not enough" in text and "too few seeds" in text


def test_the_latex_table_has_a_caption_and_the_columns_of_a_paper(files: dict[str, bytes]) -> None:
    text = files["table3.tex"].decode()
    heading = text[text.index(r"\toprule") : text.index(r"\midrule")]
    assert (
        "BLEU & $\\pm$ & BLEU, paper & baseline & $\\Delta$ BLEU & significant & GMACs" in heading
    )
    assert "notes" not in heading and "tokens/s" not in heading
    assert r"\caption{table3: 4 of " in text and r"\label{tab:table3}" in text


def test_multiply_adds_are_not_called_flops(files: dict[str, bytes]) -> None:
    for name in ("table3.md", "table3.tex", "report.html"):
        assert "GMACs" in files[name].decode() and "GFLOP" not in files[name].decode()


def test_the_same_results_make_the_same_files(
    two_grids: list[GridResults], files: dict[str, bytes]
) -> None:
    again = report_files(two_grids[:1], SAMPLES, "another day")
    page = again.pop("report.html")
    assert len(again) == 3 + 2 * len(FIGURES)
    for name, content in again.items():
        assert content == files[name], name
    section = page[page.index(b"<section") : page.index(b"</section>")]
    assert section in files["report.html"]


def test_a_grid_without_results_is_a_table_of_what_is_missing(tmp_path: Path) -> None:
    (started(tmp_path / "own", "a", failure="It broke.") / "train.log").unlink()
    files = report_files(find_grids(tmp_path), SAMPLES, DATE)
    assert list(files) == ["own.csv", "own.md", "own.tex", "report.html"]
    page = Page(files["report.html"].decode())
    assert ["a", "failed", "0 of 1", "seed 1: failed: It broke."] in page.rows
    assert "0 of 1 runs are finished, 1 failed. Cells: 1. Seeds: 1." in page.text
