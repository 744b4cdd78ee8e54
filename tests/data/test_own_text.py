"""prepare_text.sh: own text in any two languages, from one corpus of files to another."""

from __future__ import annotations

import gzip
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commandline import refusal, run_command
from support.wmt14_mirror import checksums, lines

from attn_nmt.data import own_text
from attn_nmt.data.lines import Pairs
from attn_nmt.data.own_text import main
from attn_nmt.data_card import DataCard
from attn_nmt.text.segmenter import Segmenter

ENGLISH = ["the little dog", "it's a dog", "a well-known dog", "the dog", "a cat's tail"]
FRENCH = ["le petit chien", "c'est un chien", "un chien bien-aimé", "le chien", "l'eau"]
VALID: Pairs = [("my cat", "mon chat"), ("my dog", "mon chien")]
TEST: Pairs = [("it's a cat", "c'est un chat d'eau")]


def training(start: int, stop: int) -> Pairs:
    """Different sentences, each with its number on both sides."""
    return [(f"{ENGLISH[n % 5]} {n}", f"{FRENCH[n % 5]} {n}") for n in range(start, stop)]


def write(prefix: Path, pairs: Pairs, *, tail: str = "") -> None:
    for side, lang in enumerate(("en", "fr")):
        text = "".join(pair[side] + "\n" for pair in pairs).encode()
        path = Path(f"{prefix}.{lang}{tail}")
        path.write_bytes(gzip.compress(text, 1) if tail == ".gz" else text)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """The prefixes train, more, valid and test; more is gzipped."""
    directory = tmp_path / "text"
    directory.mkdir()
    write(directory / "train", training(0, 60))
    write(directory / "more", training(60, 100), tail=".gz")
    write(directory / "valid", VALID)
    write(directory / "test", TEST)
    return directory


def flags(text: Path, **changes: object) -> list[object]:
    """The command line for files of ``text``; a changed flag may have several words."""
    values = {
        "source_lang": "en",
        "target_lang": "fr",
        "train": text / "train",
        "valid": text / "valid",
        "test": text / "test",
        "bpe_merges": 60,
        **changes,
    }
    words: list[object] = []
    for name, value in values.items():
        listed = value if isinstance(value, (tuple, list)) else (value,)
        words += [f"--{name.replace('_', '-')}", *(word for word in listed if word is not True)]
    return words


Prepare = Callable[..., DataCard]


@pytest.fixture
def prepare(text: Path, monkeypatch: pytest.MonkeyPatch, without_preprocess: None) -> Prepare:
    """Prepares the text in this process, up to the subwords."""

    def run(out_dir: Path, **changes: object) -> DataCard:
        words = ["command", out_dir, *flags(text, **changes)]
        monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        main()
        return DataCard.read(out_dir)

    return run


def pairs_of(directory: Path, split: str) -> Pairs:
    sides = (lines(directory / f"{split}.{lang}") for lang in ("en", "fr"))
    return list(zip(*sides, strict=True))


def test_the_command_makes_what_fairseq_reads(text: Path, tmp_path: Path) -> None:
    words = flags(text, source_lang="fr", target_lang="en", workers=2)
    out_dir = tmp_path / "out"
    result = run_command("bash", "data_prep/prepare_text.sh", out_dir, *words)
    assert "Traceback" not in result.stderr
    card = DataCard.read(out_dir)
    assert (card.source_lang, card.target_lang) == ("fr", "en")
    assert card.lines == {"train": 60, "valid": 2, "test": 1}
    assert pairs_of(out_dir / "raw", "train") == training(0, 60)
    assert pairs_of(out_dir / "raw", "test") == TEST
    names = {path.name for path in (out_dir / "data-bin").iterdir()}
    assert {"dict.fr.txt", "dict.en.txt", "test.fr-en.en.bin", "test.fr-en.fr.bin"} <= names
    found = checksums(out_dir)
    del found["data_card.json"]
    assert card.files == found
    assert {path.name for path in out_dir.iterdir()} == {
        *("raw", "tokens", "subwords", "bpe.codes", "data-bin", "data_card.json")
    }


def test_each_side_is_tokenised_by_the_rules_of_its_language(
    prepare: Prepare, tmp_path: Path
) -> None:
    prepare(tmp_path / "out")
    assert pairs_of(tmp_path / "out" / "tokens", "test") == [
        ("it 's a cat", "c' est un chat d' eau")
    ]


def test_a_translator_splits_sentences_as_the_preparation_did(
    prepare: Prepare, text: Path, tmp_path: Path
) -> None:
    write(text / "test", [("„it's“ well-known", "« l'eau » bien-aimée")])
    options = {"normalize_punctuation": True, "aggressive_hyphens": True}
    for name, changes in (("plain", {}), ("all", options)):
        out_dir = tmp_path / name
        card = prepare(out_dir, **changes)
        segmenter = Segmenter(card, out_dir)
        ((source, target),) = pairs_of(out_dir / "raw", "test")
        found = (segmenter.encode(source), segmenter.encode_target(target))
        assert [found] == pairs_of(out_dir / "subwords", "test")
    assert pairs_of(out_dir / "tokens", "test") == [
        ('" it \'s " well @-@ known', '" l\' eau " bien @-@ aimée')
    ]


def test_several_training_prefixes_are_joined_in_their_order(
    prepare: Prepare, text: Path, tmp_path: Path
) -> None:
    card = prepare(tmp_path / "out", train=[text / "more", text / "train"])
    assert pairs_of(tmp_path / "out" / "raw", "train") == training(60, 100) + training(0, 60)
    assert [name for name, _ in card.options["train"]] == [
        *("more.en.gz", "more.fr.gz", "train.en", "train.fr")
    ]


def test_two_columns_make_the_same_corpus_as_two_files(
    prepare: Prepare, text: Path, tmp_path: Path
) -> None:
    table = "".join(f"{source}\t{target}\n" for source, target in training(0, 60))
    (text / "table.tsv.gz").write_bytes(gzip.compress(table.encode()))
    prepare(tmp_path / "table", train=text / "table")
    prepare(tmp_path / "files")
    found, expected = checksums(tmp_path / "table"), checksums(tmp_path / "files")
    assert found.pop("data_card.json") != expected.pop("data_card.json")
    assert found == expected


def test_blank_training_pairs_are_left_out_and_counted(
    prepare: Prepare, text: Path, tmp_path: Path
) -> None:
    blank = [("", "vide"), ("empty", " \t"), ("", ""), ("\u200b\x01", "invisible")]
    write(text / "train", [*training(0, 30), *blank, *training(30, 60)])
    card = prepare(tmp_path / "out")
    assert (card.dropped, card.lines["train"]) == ({"blank": 4}, 60)
    assert pairs_of(tmp_path / "out" / "raw", "train") == training(0, 60)


def test_held_out_pairs_are_random_and_not_left_in_training(
    prepare: Prepare, text: Path, tmp_path: Path
) -> None:
    # Copies, also such as have the same tokens.
    pairs = [(f"{source}!", f"{target}!") for source, target in training(0, 60)]
    spaced = [(f"{source[:-1]} !", f"{target[:-1]} !") for source, target in pairs]
    write(text / "train", pairs + spaced)
    held_out = {"valid": ["held-out", 7], "test": ["held-out", 9]}
    card = prepare(tmp_path / "out", **held_out)
    assert card.dropped == {"blank": 0, "copy of a held-out pair": 16}
    assert card.lines == {"train": 88, "valid": 7, "test": 9}
    tokens = tmp_path / "out" / "tokens"
    valid, test, train = (set(pairs_of(tokens, split)) for split in ("valid", "test", "train"))
    assert (len(valid), len(test), len(valid | test | train)) == (7, 9, 60)
    assert len(train) == 60 - 16
    other = prepare(tmp_path / "other", **held_out, seed=2)
    assert other.lines == card.lines
    assert set(pairs_of(tmp_path / "other" / "tokens", "valid")) != valid


def test_sentencepiece_takes_any_language(prepare: Prepare, text: Path, tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        for old, new in (("en", "tlh"), ("fr", "qya")):
            (text / f"{name}.{old}").rename(text / f"{name}.{new}")
    made = {}
    for form, normalized in (("raw", {}), ("normalized", {"normalize_punctuation": True})):
        languages = {"source_lang": "tlh", "target_lang": "qya"}
        card = prepare(tmp_path / form, subword="sentencepiece", **languages, **normalized)
        made[form] = {path.name for path in (tmp_path / form).iterdir()}
        pieces = lines(tmp_path / form / "subwords" / "train.qya")
        assert [card.subwords.decode(line) for line in pieces] == lines(
            tmp_path / form / form / "train.qya"
        )
        assert card.normalized_punctuation is bool(normalized)
    assert made["normalized"] - made["raw"] == {"normalized"}


def test_files_elsewhere_with_the_same_text_are_prepared_already_others_refused(
    prepare: Prepare, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = prepare(tmp_path / "out")
    assert str(tmp_path) not in (tmp_path / "out" / "data_card.json").read_text()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    copy = text.rename(tmp_path / "moved")
    moved = {split: copy / split for split in ("train", "valid", "test")}
    assert prepare(tmp_path / "out", **moved) == card
    assert "prepared already" in capsys.readouterr().err
    write(copy / "train", training(1, 60))
    message = refusal(main, tmp_path / "out", *flags(copy))
    assert message == (
        f"OUT_DIR must be new for other options, but {tmp_path / 'out'} has other files for train."
    )
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_an_interrupted_run_is_resumed_and_leaves_nothing_of_other_options(
    prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("attn_nmt.data.pipeline.binarise", interrupt)
        with pytest.raises(KeyboardInterrupt):
            prepare(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with monkeypatch.context() as patch:
        patch.setattr(own_text, "_read", interrupt)  # must not be called again
        prepare(tmp_path / "out", subword="sentencepiece")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("raw", "subwords", "sentencepiece.model", "sentencepiece.vocab", "data-bin"),
        "data_card.json",
    }


def test_a_killed_run_leaves_no_output_and_the_next_one_resumes(
    text: Path, tmp_path: Path, prepare: Prepare
) -> None:
    if (child := os.fork()) == 0:
        own_text.run_subword_steps = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
        sys.argv = ["command", str(tmp_path / "out"), *map(str, flags(text))]
        main()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert {path.name for path in tmp_path.iterdir()} == {"text", ".out.partial"}
    prepare(tmp_path / "out")
    prepare(tmp_path / "whole")
    assert checksums(tmp_path / "out") == checksums(tmp_path / "whole")


LONE_TARGET = "{text}/train.en and {text}/train.fr, or {text}/train.tsv, each also .gz"
REFUSALS: list[tuple[dict[str, object], Callable[[Path], object], str]] = [
    (
        {"target_lang": "en"},
        lambda text: None,
        "--target-lang must differ from --source-lang, but both are 'en'.",
    ),
    (
        {"source_lang": "pt-BR"},
        lambda text: None,
        "--source-lang must be letters, digits and _, but is 'pt-BR'.",
    ),
    (
        {"valid": ["held-out", 30], "test": ["held-out", 30]},
        lambda text: None,
        "--valid held-out 30 and --test held-out 30 must leave pairs for training, but --train "
        "has 60 different pairs.",
    ),
    (
        {"valid": ["held-out"]},
        lambda text: None,
        "--valid must be one PREFIX or held-out N, but is 'held-out'.",
    ),
    (
        {"test": ["held-out", "0"]},
        lambda text: None,
        "--test held-out must be a whole number of at least 1, but is '0'.",
    ),
    (
        {"aggressive_hyphens": True, "subword": "sentencepiece"},
        lambda text: None,
        "--aggressive-hyphens must come with a --subword that splits tokens, but sentencepiece "
        "splits plain text.",
    ),
    (
        {},
        lambda text: (text / "train.fr").unlink(),
        f"--train must name {LONE_TARGET}, but {{text}}/train.fr is missing.",
    ),
    (
        {},
        lambda text: (text / "train.tsv").write_text("a\tb\n"),
        f"--train must name one of {LONE_TARGET}, but {{text}}/train.en and {{text}}/train.fr and "
        "{text}/train.tsv exist.",
    ),
    (
        {},
        lambda text: write(text / "valid", [*VALID, ("", "vide")]),
        "--valid must have text on both sides of each pair, but line 3 of {text}/valid.en is "
        "blank.",
    ),
    (
        {},
        lambda text: write(text / "train", [("", "vide"), ("empty", "")]),
        "--train must have text on both sides, but all its pairs are blank.",
    ),
    (
        {},
        lambda text: (text / "train.en").write_text("one\n"),
        "{text}/train.en and {text}/train.fr must have the same number of lines, but have 1 and "
        "60.",
    ),
    (
        {},
        lambda text: (text / "train.fr").write_bytes(b"l'\xe9t\xe9\n" * 60),
        "{text}/train.fr must be UTF-8, but line 1 holds the byte 0xe9 at column 3.",
    ),
    (
        {"bpe_merges": 8, "subword": "sentencepiece"},
        lambda text: None,
        "sentencepiece must learn 8 pieces from the training text (--bpe-merges), but cannot: "
        "Vocabulary size is smaller than required_chars. ",
    ),
]


@pytest.mark.parametrize(("changes", "damage", "sentence"), REFUSALS)
def test_a_refusal_is_one_sentence_and_leaves_nothing(
    text: Path,
    tmp_path: Path,
    changes: dict[str, object],
    damage: Callable[[Path], object],
    sentence: str,
) -> None:
    damage(text)
    found = refusal(main, tmp_path / "out", *flags(text, **changes))
    assert found.startswith(sentence.replace("{text}", str(text)))
    assert not (tmp_path / "out").exists()
    if "sentencepiece must" not in sentence:  # which comes after a step that is worth keeping
        assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_a_language_without_moses_rules_is_refused_by_the_command(
    text: Path, tmp_path: Path
) -> None:
    words = flags(text, target_lang="tlh")
    result = run_command("bash", "data_prep/prepare_text.sh", tmp_path / "out", *words, check=False)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert re.fullmatch(
        r"error: --target-lang must be a language that sacremoses has rules for \(as, .*, zh\), "
        "since subword-nmt splits tokens, but is 'tlh'; --subword sentencepiece takes any "
        "language.",
        line,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["text"]
