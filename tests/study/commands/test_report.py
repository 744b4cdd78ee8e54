"""``python -m attn_nmt.study report``: what it writes, and what it refuses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.result_folders import finished, started
from support.translations import write

from attn_nmt.command_line import UsageError
from attn_nmt.study.__main__ import main
from attn_nmt.study.reporting import report_files as report_module


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in this process and return what it prints."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["study", "report", *map(str, words)])
        main()
        return capsys.readouterr().out

    return run


def test_every_file_is_written_and_the_page_is_printed(
    report: Callable[..., str], tmp_path: Path
) -> None:
    for grid in ("own", "other"):
        (started(tmp_path / "runs" / grid, "a", failure="It broke.") / "train.log").unlink()
    own, other = ({f"{grid}{end}" for end in (".csv", ".md", ".tex")} for grid in ("own", "other"))
    assert report(tmp_path / "runs") == f"{tmp_path}/runs/report/report.html\n"
    assert names(tmp_path / "runs" / "report") == {"report.html", *own, *other}
    out = tmp_path / "deep" / "out"
    assert report(tmp_path / "runs" / "own", "--out", out) == f"{out}/report.html\n"
    assert names(out) == {"report.html", *own}


def test_the_findings_are_one_page_of_a_collection(
    report: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = finished(tmp_path / "runs" / "own", "1111")
    for name in ("hypotheses.de", "scores.json"):
        write(folder / "evaluation-test-average2" / name, ["Hallo"])
    monkeypatch.setattr(sys, "argv", ["study", "collect", "runs", "small"])
    main()
    write(tmp_path / "about.md", ["# Small data"])
    page = tmp_path / "docs" / "results.md"
    printed = report("small/own", "--findings", page, "--about", "about.md")
    assert printed == f"finished runs of runs that are now in small: 1\n{page}\n"
    assert page.read_text().startswith("# Small data\n\n## The findings\n")
    assert names(page.parent) == {"results.md", "results-self.svg", "results-cross.svg"}


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing"], "^RUNS must be a directory, but missing is not one.$"),
        (["empty"], "^RUNS must hold runs in GRID/CELL/seedN, but empty holds none.$"),
        (
            ["runs", "--baseline", "0011"],
            "^--baseline must be a cell that is there, but is '0011'; the nearest is '0010'.$",
        ),
        (["runs", "--findings", "page.html"], "^--findings must be a file that ends in .md, but"),
        (
            ["runs", "--findings", "page.md"],
            "^RUNS must be the directory of one grid with --findings, but runs holds .*, .*[.]$",
        ),
        (["runs", "--findings", "a.md", "--out", "b"], "^--out must be left out with --findings"),
        (["runs", "--about", "a.md"], "^--about must be given with --findings, but is a.md alone"),
        (["runs", "--samples", "0"], "^--samples must be a whole number of at least 1"),
        (["runs", "--lr", "1"], "^--lr must be a flag of this command, but is unknown"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(
    report: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for grid in ("own", "other"):
        finished(tmp_path / "runs" / grid, "0010")
    with pytest.raises(UsageError, match=message):
        report(*words)
    assert not (tmp_path / "runs" / "report").exists()


WRONG_FLAGS = {"arch": "attn_transformer_wmt_en_de", "flags": {"dropout": "much"}}


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
            lambda result: json.dumps({**result, **WRONG_FLAGS}),
            "^The flags of a result must fit a model, but are {'dropout': 'much'}.$",
        ),
    ],
)
def test_a_broken_result_is_refused_in_one_sentence_and_the_old_report_stays(
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
    assert old.read_text() == "old"


@pytest.mark.parametrize("text", ["{", "[1]", "\udcff"])
def test_a_broken_environment_is_named(
    report: Callable[..., str], tmp_path: Path, text: str
) -> None:
    path = finished(tmp_path / "own", "a") / "environment.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match="environment.json must be "):
        report(tmp_path)


def test_files_are_written_atomically_and_the_page_last(
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
