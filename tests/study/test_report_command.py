"""``report``: files that say the same, a page that is safe and whole, what is refused."""

from __future__ import annotations

import base64
import csv
import io
import json
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from support.result_folders import CARD, finished, started, translated
from support.translations import damaged, make_corpus, sentences

from attn_nmt.command_line import UsageError
from attn_nmt.study.__main__ import main
from attn_nmt.study.reporting import files as report_module
from attn_nmt.study.reporting.columns import COLUMNS

SCRIPT = '<script>document.title="hacked"</script>'
# What the name of a folder can hold.
IMAGE = "\"><img src=x onerror=document.title='hacked'>"
FIGURES = ("bleu-over-gflops", "learning-curves")
PNG = b"\x89PNG"


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in this process and return what it prints."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["study", "report", *map(str, words)])
        main()
        return capsys.readouterr().out

    return run


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
        if self.lasttag in ("td", "th"):
            self.rows[-1][-1] += data.strip()

    def with_attribute(self, name: str) -> list[str]:
        return [str(attrs[name]) for _, attrs in self.elements if name in attrs]


@pytest.fixture
def two_grids(tmp_path: Path) -> Path:
    """A table of the paper with two seeds, and a grid of a user with names that mean something."""
    right = sentences()
    corpus = make_corpus(tmp_path / "corpus", right)
    runs = tmp_path / "runs"
    for seed, share in ((1, 0.2), (2, 0.3)):
        for number, cell in enumerate(("0100-span13", "dynamic-kernel13")):
            lines = damaged(right, 10 * number + seed, share - 0.1 * number)
            translated(runs / "table3", cell, seed, corpus, lines, right)
    started(runs / "table3", "0100", failure=SCRIPT)
    card = {"data_card": {**CARD, "corpus": SCRIPT}, "device": IMAGE}
    finished(runs / "a_b & $c", IMAGE, environment=card, flags={"dropout": SCRIPT})
    finished(runs / "a_b & $c", "a|b_c\\d$e 100%", 2, 21.0, gmacs=0.04)
    return runs


def test_the_files_say_the_same(report: Callable[..., str], two_grids: Path) -> None:
    assert report(two_grids, "--samples", 20) == f"{two_grids}/report/report.html\n"
    found = two_grids / "report"
    names = [
        f"{grid}{end}"
        for grid in ("table3", "a_b & $c")
        for end in (
            ".csv",
            ".md",
            ".tex",
            *(f"-{figure}.{form}" for figure in FIGURES for form in ("svg", "png")),
        )
    ]
    assert sorted(path.name for path in found.iterdir()) == sorted(["report.html", *names])
    page = Page((found / "report.html").read_text())
    for grid in ("table3", "a_b & $c"):
        rows = list(csv.DictReader(io.StringIO((found / f"{grid}.csv").read_text())))
        assert set(rows[0]) == {column.key for column in COLUMNS}
        in_markdown = markdown_rows((found / f"{grid}.md").read_text())
        heading, *lines = in_markdown
        columns = [column for column in COLUMNS if column.heading in heading]
        assert [column.heading for column in columns] == heading
        assert len(lines) == len(rows)
        for line, row in zip(lines, rows, strict=True):
            assert line == [shown(row[column.key], column.form) for column in columns]
            assert line in page.rows
        assert heading in page.rows
        tex = (found / f"{grid}.tex").read_text()
        assert tex.count(r" \\") == len(rows) + 1
        for form in ("svg", "png"):
            for figure in FIGURES:
                content = (found / f"{grid}-{figure}.{form}").read_bytes()
                assert content.startswith(PNG) if form == "png" else is_svg(content)


def markdown_rows(text: str) -> list[list[str]]:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    rows: list[list[str]] = []
    for before, token in pairwise(tokens):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("td_open", "th_open"):
            rows[-1].append("".join(child.content for child in token.children or []))
    return rows


def shown(value: str, form: str) -> str:
    if form:
        return format(float(value), form.replace("d", ".0f")) if value else ""
    return {"True": "yes", "False": ""}.get(value, value)


def is_svg(content: bytes) -> bool:
    return ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


def test_nothing_in_the_page_runs_or_is_fetched(
    report: Callable[..., str], two_grids: Path
) -> None:
    report(two_grids, "--samples", 5)
    text = (two_grids / "report" / "report.html").read_text()
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
    assert page.with_attribute("href") == ["#grid1", "#grid2"]
    ids = page.with_attribute("id")
    assert len(set(ids)) == len(ids) and {"grid1", "grid2"} < set(ids)
    assert "url(" not in text and "@import" not in text and "<link" not in text
    policy = next(attrs["content"] for _, attrs in page.elements if "http-equiv" in attrs)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_the_same_results_make_the_same_files(report: Callable[..., str], tmp_path: Path) -> None:
    for cell, gmacs in (("a", 0.01), ("b", 0.02)):
        finished(tmp_path / "runs" / "own", cell, gmacs=gmacs)
    for out in ("one", "two"):
        report(tmp_path / "runs" / "own", "--out", tmp_path / out)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_grid_without_results_is_a_table_of_what_is_missing(
    report: Callable[..., str], tmp_path: Path
) -> None:
    folder = started(tmp_path / "own", "a", failure="It broke.")
    (folder / "train.log").unlink()
    report(tmp_path)
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "own.csv",
        "own.md",
        "own.tex",
        "report.html",
    ]
    page = Page((tmp_path / "report" / "report.html").read_text())
    assert ["a", "failed", "0 of 1", "seed 1: failed: It broke."] in page.rows
    assert "0 of 1 runs are finished, 1 failed. Cells: 1. Seeds: 1." in page.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing"], "^RUNS must be a folder, but missing is none.$"),
        (["empty"], "^RUNS must hold runs in GRID/CELL/seedN, but empty holds none.$"),
        (
            ["runs", "--baseline", "0011"],
            "^--baseline must be a cell that is there, but is '0011'; the nearest is '0010'.$",
        ),
        (["runs", "--samples", "0"], "^--samples must be a whole number of at least 1"),
        (["runs", "--lr", "1"], "^--lr must be a flag of this command, but is unknown"),
    ],
)
def test_what_is_refused(
    report: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    finished(tmp_path / "runs" / "own", "0010")
    with pytest.raises(UsageError, match=message):
        report(*words)
    assert not (tmp_path / "runs" / "report").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda result: "{", "result.json must be a result of a run, but is not one: "),
        (lambda result: "[]", "result.json must be a result of a run, but is not one: "),
        (lambda result: json.dumps({**result, "gmacs": "x"}), "but its gmacs is 'x'.$"),
        (lambda result: json.dumps({**result, "parameters": True}), "its parameters is True.$"),
        (lambda result: json.dumps({**result, "tokens_per_second": float("nan")}), "is nan.$"),
        (
            lambda result: json.dumps({k: v for k, v in result.items() if k != "arch"}),
            "but has no arch.$",
        ),
        (lambda result: json.dumps({**result, "scores": {"bleu": "much"}}), "bleu is 'much'.$"),
        (
            lambda result: json.dumps({**result, "seed": 2}),
            "must be of cell a, seed 1, but is of cell a, seed 2.$",
        ),
        (
            lambda result: json.dumps(
                {**result, "arch": "attn_transformer_wmt_en_de", "flags": {"dropout": "much"}}
            ),
            "^The flags of a result must fit a model, but are {'dropout': 'much'}.$",
        ),
    ],
)
def test_a_broken_result_is_one_sentence_and_the_old_report_stays(
    report: Callable[..., str], tmp_path: Path, change: Callable[[Any], str], message: str
) -> None:
    result = finished(tmp_path / "own", "a") / "result.json"
    old = tmp_path / "report" / "report.html"
    old.parent.mkdir()
    old.write_text("old")
    result.write_text(change(json.loads(result.read_text())))
    with pytest.raises(UsageError, match=message) as caught:
        report(tmp_path)
    assert "\n" not in str(caught.value)
    assert [path.name for path in old.parent.iterdir()] == ["report.html"]


@pytest.mark.parametrize("text", ["{", "[1]", "\udcff"])
def test_a_broken_environment_is_named(
    report: Callable[..., str], tmp_path: Path, text: str
) -> None:
    path = finished(tmp_path / "own", "a") / "environment.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match="environment.json must be "):
        report(tmp_path)


def test_a_write_that_is_interrupted_leaves_whole_files(
    report: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tmp_path / "own", "a")
    contents = {"own.csv": b"new table", "own.md": b"never", "report.html": b"new page"}
    write_bytes = Path.write_bytes

    def interrupted(path: Path, content: bytes) -> int:
        if content == b"never":
            write_bytes(path, content[:2])
            raise KeyboardInterrupt
        return write_bytes(path, content)

    old = tmp_path / "report"
    old.mkdir()
    for name in contents:
        (old / name).write_text("old")
    monkeypatch.setattr(report_module, "report_files", lambda *_: contents)
    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        report(tmp_path)
    left = {path.name: path.read_text() for path in old.iterdir()}
    assert left == {"own.csv": "new table", "own.md": "old", "report.html": "old"}
