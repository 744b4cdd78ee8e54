"""translate.sh: as many lines out as in, the same as evaluate.sh's, in any window."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commandline import copies, refusal, run_attn_nmt, run_command

from attn_nmt import hub
from attn_nmt.translate import main


def translate(*words: object, text: str) -> list[str]:
    result = run_attn_nmt("translate", *words, stdin=text)
    assert result.stderr == ""
    return result.stdout.split("\n")[:-1]


def test_lines_go_in_and_as_many_come_out(trained: Path, data_bin: Path, tmp_path: Path) -> None:
    sources = [line for line, _ in copies(2, 20)]
    lines = ["", *sources, "  ", "ba\u2028do"]
    table = tmp_path / "alignments.tsv"
    words = (trained, "--data-bin", data_bin, "--window", 7, "--alignments", table)
    # The last line has no newline.
    found = translate(*words, text="\n".join(lines))
    translator = hub.from_pretrained(trained, data_bin, device="cpu")
    assert found == translator.translate(lines) == ["", *found[1:21], "", found[-1]]
    rows = [row.split("\t") for row in table.read_text().splitlines()]
    assert rows[0] == ["line", "target", "target_token", "source", "source_token"]
    first = [row for row in rows[1:] if row[0] == "2"]
    assert " ".join(row[2] for row in first).replace("@@ ", "") == f"{found[1]} </s>"
    # The model has learned to copy.
    right = sum(row[2] == row[4] for row in rows[1:])
    assert right > 0.8 * len(rows)


def test_the_best_of_several_come_first_with_their_scores(trained: Path) -> None:
    best = trained / "checkpoint_best.pt"
    rows = [
        line.split("\t")
        for line in translate(f"{best}:{best}", "--nbest", 3, text="ba do ki\n\nfu\n")
    ]
    assert [row[0] for row in rows] == ["1", "1", "1", "2", "3", "3", "3"]
    scores = [float(row[1]) for row in rows]
    assert scores[0] > scores[1] > scores[2] and scores[4] > scores[5] > scores[6]
    assert [rows[0][2], rows[3][2], rows[4][2]] == ["ba do ki", "", "fu"]
    one = hub.from_pretrained(best, device="cpu")
    (single, *_), *_ = one.hypotheses(["ba do ki"], nbest=3)
    # An ensemble of a model with itself is the model.
    assert scores[0] == pytest.approx(single.score, abs=1e-3)


@pytest.mark.parametrize("options", [{"sampling_topk": 1}, {"sampling_topp": 0.01}])
def test_sampling_from_one_token_is_greedy(trained: Path, options: dict[str, float]) -> None:
    translator = hub.from_pretrained(trained, device="cpu")
    assert translator.translate("ba do ki", **options) == translator.translate("ba do ki", beam=1)
    # Of a search the second would be another one.
    (pair,) = translator.hypotheses(["ba do ki"], beam=2, nbest=2, **options)
    assert pair[0].text == pair[1].text


def test_8_bits_translate_alike_on_the_cpu(trained: Path) -> None:
    """The model copies, and is sure of it."""
    lines = [line for line, _ in copies(2, 20)]
    found = translate(trained, "--int8", text="\n".join(lines) + "\n")
    assert sum(map(str.__eq__, found, lines)) >= 18
    rounded = hub.from_pretrained(trained, int8=True)
    assert found == rounded.translate(lines)
    exact = hub.from_pretrained(trained, device="cpu")
    scores = [next(translator.hypotheses(["ba do ki"]))[0].score for translator in (rounded, exact)]
    assert scores[0] != scores[1] and scores[0] == pytest.approx(scores[1], abs=0.1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--beam", 0), "--beam must be a whole number of at least 1, but is '0'."),
        (("--beam", 2, "--nbest", 3), "--nbest must be at most --beam (2), but is 3 instead."),
        (("--lenpen", "x"), "--lenpen must be a number, but is 'x'."),
        (("--sampling-topp", 2), "--sampling-topp must lie between 0 and 1, but is 2.0 instead."),
        (("--device", "cuda:7"), "--device must be there, but is cuda:7 of 0 GPUs."),
        (("--device", "mps"), "--device must be cpu or cuda, but is mps."),
        (("--device", "tpu?"), "--device must be one of PyTorch's, but is 'tpu?'."),
        (("--data-bin", "/nowhere"), "--data-bin must be a directory, but /nowhere is not one."),
    ],
)
def test_bad_options_are_refused_by_their_flags(
    trained: Path, words: tuple[object, ...], message: str
) -> None:
    assert refusal(main, trained, *words) == message


def test_a_missing_model_leaves_the_table_of_alignments(tmp_path: Path) -> None:
    table = tmp_path / "table.tsv"
    table.write_text("of an earlier run\n")
    assert "nowhere" in refusal(main, tmp_path / "nowhere.pt", "--alignments", table)
    assert table.read_text() == "of an earlier run\n"


def test_a_line_that_is_not_text_is_named(trained: Path) -> None:
    command = f"printf 'ba\\n\\xff\\n' | bash scripts/translate.sh {trained} --window 1"
    result = run_command("bash", "-c", f"set -o pipefail; {command}", check=False)
    assert (result.returncode, result.stdout) == (1, "ba\n")
    assert result.stderr == "error: Line 2 of the input must be UTF-8, but is not.\n"


def test_what_a_sentence_attends_to_is_returned_as_inspect_writes_it(trained: Path) -> None:
    translator = hub.from_pretrained(trained, device="cpu")
    arrays = translator.attention("ba do ki")
    shape = (len(arrays["target_tokens"]), len(arrays["source_tokens"]))
    assert arrays["alignment.weights"].shape == shape
    assert arrays["source_tokens"].tolist() == ["ba", "do", "ki", "</s>"]


def test_data_of_another_vocabulary_is_named(trained: Path, data_bin: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    run_command("cp", "-r", data_bin.parent, corpus)
    for lang in ("en", "de"):
        with (corpus / "data-bin" / f"dict.{lang}.txt").open("a") as file:
            file.write("more 1\n")
    message = refusal(main, trained, "--data-bin", corpus / "data-bin")
    assert message.startswith("The data must have the vocabulary that the model was trained with")
