"""evaluate: labelled scores, what it keeps, averages, parts of a corpus, and bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from support.commandline import copies, refusal, run_attn_nmt

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.data_card import FILE_NAME
from attn_nmt.evaluation import __main__ as evaluation

LABELS = ["BLEU", "BLEU, tokenised", "BLEU, tokenised and compound-split", "chrF", "Exact match"]
KEYS = {"bleu", "bleu_signature", "bleu_tokenized", "bleu_compound_split", "chrf", "sentences"}
KEYS |= {"exact_match"}


def test_labelled_scores_are_printed_and_the_results_kept(
    evaluated: list[str], trained: Path
) -> None:
    *labelled, last = evaluated
    assert [line.split(" = ")[0] for line in labelled] == LABELS
    scores = json.loads(last)
    assert set(scores) >= KEYS
    assert scores["sentences"] == 100
    assert scores["bleu"] > 98
    directory = trained / "evaluation-test"
    assert json.loads((directory / "scores.json").read_text()) == scores
    hypotheses = (directory / "hypotheses.de").read_text(encoding="utf-8").splitlines()
    references = [line for line, _ in copies(2, 100)]
    assert scores["exact_match"] == sum(map(str.__eq__, hypotheses, references)) > 90
    # Other tests are writing into others.
    assert [path.name for path in trained.glob(".evaluation-test.*")] == []


def test_every_sentence_has_its_scores(evaluated: list[str], trained: Path) -> None:
    header, *rows = (trained / "evaluation-test" / "sentences.tsv").read_text().splitlines()
    assert header.split("\t") == ["sentence", "bleu", "chrf"]
    assert [row.split("\t")[0] for row in rows] == [str(number) for number in range(100)]
    assert sum(float(row.split("\t")[1]) == 100 for row in rows) > 90


def test_the_last_checkpoints_are_averaged_and_translate_any_split(
    data_bin: Path, trained: Path
) -> None:
    flags = ("--average", 2, "--gen-subset", "valid", "--beam", 3)
    scored = run_attn_nmt("evaluate", trained, data_bin, *flags)
    last = scored.stdout.splitlines()[-1]
    assert json.loads(last)["bleu"] > 90
    directory = trained / "evaluation-valid-average2"
    log = (directory / "generate.log").read_text()
    assert "'beam': 3" in log and "'lenpen': 0.6" in log, "flags must reach fairseq-generate"
    assert (directory / "scores.json").read_text().strip() == last
    hypotheses = (directory / "hypotheses.de").read_text(encoding="utf-8").splitlines()
    assert sum(map(str.__eq__, hypotheses, [line for line, _ in copies(1, 100)])) > 90
    mean = load_checkpoint(trained / "average2.pt")["model"]
    parts = [load_checkpoint(path)["model"] for path in trained.glob("checkpoint_*_[12][90]0.pt")]
    name = "decoder.layers.0.fc1.weight"
    torch.testing.assert_close(mean[name], (parts[0][name] + parts[1][name]) / 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--beam", 0), "--beam must be a whole number of at least 1, but is '0'."),
        (("--average", 0), "--average must be a whole number of at least 1, but is '0'."),
        (("--lenpen", "x"), "--lenpen must be a number, but is 'x'."),
    ],
)
def test_searches_that_cannot_be_are_refused(
    trained: Path, data_bin: Path, words: tuple[object, ...], message: str
) -> None:
    assert refusal(evaluation.main, trained, data_bin, *words) == message


def test_8_bits_are_scored_beside_the_rest(data_bin: Path, trained: Path, tmp_path: Path) -> None:
    """Also with a checkpoint from before there was such a flag."""
    state = torch.load(trained / "checkpoint_best.pt")
    del state["cfg"]["model"]["int8"]
    torch.save(state, tmp_path / "older.pt")
    scored = run_attn_nmt("evaluate", tmp_path / "older.pt", data_bin, "--int8")
    assert json.loads(scored.stdout.splitlines()[-1])["bleu"] > 95
    log = (tmp_path / "evaluation-test-older-int8" / "generate.log").read_text()
    assert "'int8': True" in log
    overrides = ("--int8", "--model-overrides", "{'dropout': 0.1}")
    assert refusal(evaluation.main, tmp_path / "older.pt", data_bin, *overrides) == (
        "--int8 must not be beside --model-overrides: add {'int8': True} there."
    )


def test_scores_on_a_part_of_the_corpus_say_so(
    data_bin: Path,
    trained: Path,
    evaluated: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(data_bin.parent, tmp_path / "corpus")
    shutil.copy(trained / "checkpoint_best.pt", tmp_path)
    path = tmp_path / "corpus" / FILE_NAME
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, "subset": {"newstest.de.sgm": [100, 3003]}}))

    def generated(*ignored: Any) -> Path:
        return trained / "evaluation-test" / "generate-test.txt"

    monkeypatch.setattr(evaluation, "generate", generated)
    command = ["command", str(tmp_path / "checkpoint_best.pt"), str(tmp_path / "corpus/data-bin")]
    monkeypatch.setattr("sys.argv", command)
    evaluation.main()
    *labelled, label, last = capsys.readouterr().out.splitlines()
    assert label == "Not the known corpus (lines of each file): newstest.de.sgm 100 of 3003"
    assert json.loads(last)["subset"] == {"newstest.de.sgm": [100, 3003]}
    assert labelled == evaluated[:-1]


def test_another_checkpoint_of_the_directory_does_not_overwrite_the_best_ones_scores(
    data_bin: Path,
    trained: Path,
    evaluated: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def generated(*ignored: Any) -> Path:
        return trained / "evaluation-test" / "generate-test.txt"

    monkeypatch.setattr(evaluation, "generate", generated)
    for name in ("checkpoint_best.pt", "checkpoint_last.pt"):
        shutil.copy(trained / "checkpoint_best.pt", tmp_path / name)
    for path in (tmp_path, tmp_path / "checkpoint_best.pt", tmp_path / "checkpoint_last.pt"):
        monkeypatch.setattr("sys.argv", ["command", str(path), str(data_bin)])
        evaluation.main()
    scored = {
        path.parent.name: json.loads(path.read_text())["checkpoint"]
        for path in tmp_path.glob("evaluation-*/scores.json")
    }
    assert scored == {
        "evaluation-test": "checkpoint_best.pt",
        "evaluation-test-checkpoint_last": "checkpoint_last.pt",
    }


def test_too_few_checkpoints_are_refused_before_anything_is_written(
    data_bin: Path, trained: Path
) -> None:
    message = refusal(evaluation.main, trained, data_bin, "--average", 5)
    assert message.startswith("--average must be at most the number of files ")
    assert not (trained / "average5.pt").exists()
    assert refusal(evaluation.main, trained, data_bin, "--or-best") == (
        "--or-best must be given with --average, but is given without it."
    )
    assert refusal(evaluation.main, trained, data_bin, "--average", 0, "--or-best") == (
        "--average must be a whole number of at least 1, but is '0'."
    )


def test_the_best_is_scored_where_too_few_are_kept_for_an_average(
    evaluated: list[str], data_bin: Path, trained: Path, tmp_path: Path
) -> None:
    shutil.copy(trained / "checkpoint_best.pt", tmp_path)
    flags = ("--average", 5, "--or-best")
    scored = run_attn_nmt("evaluate", tmp_path, data_bin, *flags)
    assert scored.stdout.splitlines() == evaluated
    assert (tmp_path / "evaluation-test" / "scores.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{trained} /nowhere", "DATA_BIN must be a directory, but /nowhere is not one."),
        ("/nowhere {data_bin}", "/nowhere must be a checkpoint, but is missing."),
        (
            "{data_bin} {data_bin}",
            "CHECKPOINT_OR_DIR must hold checkpoint_best.pt or checkpoint_last.pt, but {data_bin} "
            "holds neither.",
        ),
        (
            "{trained} {data_bin} --gen-subset test1",
            "--gen-subset must be one of train, valid, test, but is 'test1'.",
        ),
        (
            "{trained} {empty}",
            "{parent}/data_card.json must exist, since it says how the data was prepared, but is "
            "missing; prepare the data with attn-nmt prepare.",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    data_bin: Path, trained: Path, tmp_path: Path, arguments: str, message: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    names = {"trained": trained, "data_bin": data_bin, "empty": empty, "parent": tmp_path}
    words = arguments.format(**names).split()
    assert refusal(evaluation.main, *words) == message.format(**names)


def test_a_reference_of_another_length_is_refused(
    data_bin: Path, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(data_bin.parent, tmp_path / "corpus")
    reference = tmp_path / "corpus" / "raw" / "test.de"
    reference.write_text(reference.read_text() + "noch ein Satz\n")
    result = run_attn_nmt("evaluate", trained, tmp_path / "corpus" / "data-bin", check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"error: {reference} must have 100 lines as the data card says, but has 101."
    ]
    assert result.stdout == ""


def test_a_signal_right_after_the_scratch_directory_is_made_leaves_none(
    data_bin: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(trained / "checkpoint_last.pt", tmp_path)
    make = Path.mkdir

    def interrupted(path: Path, *args: Any, **kwargs: Any) -> None:
        make(path, *args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", interrupted)
    monkeypatch.setattr("sys.argv", ["evaluate", str(tmp_path), str(data_bin)])
    with pytest.raises(KeyboardInterrupt):
        evaluation.main()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint_last.pt"]
