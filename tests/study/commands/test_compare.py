"""``compare``: equal systems, a worse one, runs with their own reference, and refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.translations import damaged, make_corpus, sentences, write

from attn_nmt.command_line import UsageError


@pytest.fixture
def compare(study: Any) -> Any:
    """Run the command in this process and return what it prints."""
    return lambda *words: study("compare", *words)


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str], Path]:
    """The reference, and translations of different quality."""
    right = sentences()
    good = damaged(right, 1, 0.1)
    texts = {
        "reference": right,
        "good": good,
        "same": good,
        "alike": damaged(right, 2, 0.1),
        "bad": damaged(right, 3, 0.3),
    }
    for name, lines in texts.items():
        write(tmp_path / name, lines)
    return lambda name: tmp_path / name


@pytest.mark.parametrize(("test", "samples"), [("bs", "bs:200"), ("ar", "ar:200")])
def test_only_a_worse_system_differs(compare: Any, files: Any, test: str, samples: str) -> None:
    names = ("good", "same", "alike", "bad")
    line = f"--reference {files('reference')} --test {test} --samples 200 --format json"
    printed = compare(*map(files, names), *line.split())
    rows = [json.loads(line) for line in printed.splitlines()]
    assert [Path(row["system"]).name for row in rows] == list(names)
    assert [row["significant"] for row in rows] == [None, False, False, True]
    assert rows[1]["p_value"] == 1 and rows[2]["p_value"] > 0.05 > rows[3]["p_value"]
    assert rows[3]["bleu"] < rows[0]["bleu"] - 10
    for row in rows:
        assert abs(row["mean"] - row["bleu"]) < row["interval"] < 10
        assert samples in row["signature"].split("|") and "tok:13a" in row["signature"]


def test_the_table_names_its_test_and_its_reference(compare: Any, files: Any) -> None:
    words = ("--reference", files("reference"), "--samples", 50)
    lines = compare(files("good"), files("bad"), *words).splitlines()
    assert lines[0].split() == ["system", "bleu", "mean", "interval", "p_value", "significant"]
    assert len(lines[1].split()) == 4 and lines[2].split()[-1] == "yes"
    assert f"p_value: of paired bootstrap against {files('good')};" in lines[4]
    assert lines[5].startswith("sacreBLEU's bootstrap counts one side only; --test ar counts both")
    assert "one side" not in compare(files("good"), files("bad"), *words, "--test", "ar")
    assert lines[-2] == f"reference: {files('reference')}"
    assert "|bs:50|" in lines[-1]


def make_run(folder: Path, corpus: Path, lines: list[str]) -> Path:
    """What the command reads of a finished run."""
    write(folder / "evaluation-test-average5" / "hypotheses.de", lines)
    write(folder / "evaluation-valid" / "hypotheses.de", ["one"])
    result = {
        "scores": {"bleu": 1},
        "evaluation": "evaluation-test-average5",
        "data_bin": str(corpus / "data-bin"),
    }
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def test_runs_bring_their_reference_even_for_plain_files(
    compare: Any, files: Any, tmp_path: Path
) -> None:
    corpus = make_corpus(tmp_path / "corpus", sentences())
    run = make_run(tmp_path / "run", corpus, files("good").read_text().splitlines())
    printed = compare(files("bad"), run, "--format", "json", "--samples", 50)
    first, second = (json.loads(line) for line in printed.splitlines())
    assert second["significant"] and second["bleu"] > first["bleu"]
    assert first["reference"] == second["reference"] == str(corpus / "raw" / "test.de")
    # One evaluation of several, by its name.
    valid = run / "evaluation-valid"
    rows = compare(valid, valid, "--format", "json", "--samples", 2).splitlines()
    assert json.loads(rows[1])["reference"] == str(corpus / "raw" / "valid.de")
    # Those of 8 bits or of another checkpoint are of the same split.
    for name in ("evaluation-test-int8", "evaluation-test-checkpoint_1_20-int8"):
        write(run / name / "hypotheses.de", files("good").read_text().splitlines())
        rows = compare(run, run / name, "--format", "json", "--samples", 2).splitlines()
        assert json.loads(rows[1])["reference"] == str(corpus / "raw" / "test.de")


def test_runs_of_different_test_sets_are_refused(compare: Any, files: Any, tmp_path: Path) -> None:
    lines = files("good").read_text().splitlines()
    runs = [
        make_run(tmp_path / f"run{n}", make_corpus(tmp_path / f"corpus{n}", sentences(n)), lines)
        for n in (0, 1)
    ]
    message = f"All systems must be of one test set, but {runs[1]} has another reference than "
    with pytest.raises(UsageError, match=message):
        compare(*runs)


def test_different_lengths_are_refused(compare: Any, files: Any, tmp_path: Path) -> None:
    short = write(tmp_path / "short", sentences()[:-1])
    with pytest.raises(UsageError) as caught:
        compare(files("good"), short, "--reference", files("reference"))
    assert str(caught.value) == (
        f"{short} must have a line for each of the 60 references, but has 59."
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["good"], "^SYSTEM must be given at least twice, but is given once.$"),
        (["good", "bad"], "^--reference must be given for files of plain text, but is not.$"),
        (
            ["good", "missing"],
            "^SYSTEM must be the directory of a run or .*missing is not one",
        ),
        (["good", "bad", "--test", "t"], "^--test must be one of bs, ar, but is 't'; "),
        (["good", "bad", "--samples", "0"], "^--samples must be a whole number of at least 1"),
        (["good", "bad", "--reference", "missing"], "^--reference must be a file of plain text"),
        (["good", "empty"], "empty must hold one evaluation, or one be named, but holds none.$"),
        (["good", "bad", "--lr", "1"], "^--lr must be a flag of this command, but is unknown"),
    ],
)
def test_bad_input_is_refused(
    compare: Any, files: Any, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    files("empty").mkdir()
    monkeypatch.chdir(files("empty").parent)
    with pytest.raises(UsageError, match=message):
        compare(*words)
