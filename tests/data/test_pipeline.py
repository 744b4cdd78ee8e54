"""From a corpus to data-bin: what is written, reproducibly, and atomically."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest
from fairseq.data import Dictionary, data_utils
from support.commandline import ROOT, refusal

from attn_nmt.command_line import UsageError
from attn_nmt.data.cldr import generate
from attn_nmt.data.cldr_en2de import main
from attn_nmt.data.lines import Corpus
from attn_nmt.data.pipeline import prepare, staging_directory
from attn_nmt.data_card import DataCard, sha256

SIZES = {"train": 200, "valid": 20, "test": 20}
LANGS = ("en", "de")


def corpus(seed: int = 1) -> Corpus:
    return generate(seed=seed, **SIZES)


def options(out_dir: Path, **changes: object) -> Namespace:
    defaults = {
        "bpe_merges": 300,
        "subword": "subword-nmt",
        "workers": 1,
        "sentencepiece_type": "bpe",
    }
    return Namespace(out_dir=out_dir, **{**defaults, **changes})


def make(out_dir: Path, **changes: object) -> Path:
    prepare("cldr", lambda scratch: corpus(), options(out_dir, **changes), langs=LANGS)
    return out_dir


def contents(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): sha256(path) for path in files}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("prepared") / "corpus")


def test_raw_text_is_the_corpus_itself(prepared: Path) -> None:
    for split, pairs in corpus().items():
        for side, lang in enumerate(LANGS):
            lines = (prepared / "raw" / f"{split}.{lang}").read_text(encoding="utf-8")
            assert lines == "".join(pair[side] + "\n" for pair in pairs)


def test_joined_subwords_are_the_tokens(prepared: Path) -> None:
    for name in ("train.de", "test.en"):
        subwords = (prepared / "subwords" / name).read_text(encoding="utf-8")
        assert "@@ " in subwords
        assert subwords.replace("@@ ", "") == (prepared / "tokens" / name).read_text("utf-8")


def test_subwords_are_learned_on_training_text_only(tmp_path: Path, prepared: Path) -> None:
    changed = {**corpus(), "test": generate(seed=2, **SIZES)["test"]}
    prepare("cldr", lambda scratch: changed, options(tmp_path / "corpus"), langs=LANGS)
    for name in ("bpe.codes", "data-bin/dict.en.txt"):
        assert (tmp_path / "corpus" / name).read_bytes() == (prepared / name).read_bytes()


def test_data_bin_is_what_fairseq_reads_with_one_dictionary(prepared: Path) -> None:
    source, target = (
        Dictionary.load(str(prepared / "data-bin" / f"dict.{lang}.txt")) for lang in LANGS
    )
    assert source == target
    dataset = data_utils.load_indexed_dataset(
        str(prepared / "data-bin" / "test.en-de.de"), target, "mmap"
    )
    subwords = (prepared / "subwords" / "test.de").read_text(encoding="utf-8").splitlines()
    assert [target.string(sentence) for sentence in dataset] == subwords


def test_the_card_records_lines_checksums_tools_and_options(prepared: Path) -> None:
    card = DataCard.read(prepared)
    assert card.lines == SIZES
    assert card.options == {"bpe_merges": 300, "subword": "subword-nmt"}
    assert card.vocabulary_size == len(Dictionary.load(str(prepared / "data-bin" / "dict.en.txt")))
    files = contents(prepared)
    del files["data_card.json"]
    assert card.files == files
    assert {"sacremoses", "subword-nmt", "fairseq-fixed"} <= set(card.tools)
    assert str(prepared.parent) not in (prepared / "data_card.json").read_text(encoding="utf-8")


def test_another_run_with_more_workers_makes_the_same_bytes(tmp_path: Path, prepared: Path) -> None:
    assert contents(make(tmp_path / "again", workers=3)) == contents(prepared)


def test_sentencepiece_splits_raw_text(tmp_path: Path) -> None:
    import sentencepiece

    directory = make(tmp_path / "corpus", subword="sentencepiece", bpe_merges=400)
    assert not (directory / "tokens").exists()
    options = DataCard.read(directory).options
    assert options == {
        "bpe_merges": 400,
        "subword": "sentencepiece",
        "sentencepiece_type": "bpe",
    }
    model = sentencepiece.SentencePieceProcessor(model_file=str(directory / "sentencepiece.model"))
    pieces = (directory / "subwords" / "test.de").read_text(encoding="utf-8").splitlines()
    raw = (directory / "raw" / "test.de").read_text(encoding="utf-8").splitlines()
    assert [model.decode(line.split()) for line in pieces] == raw


def test_blank_pairs_are_counted_in_the_card(tmp_path: Path, without_preprocess: None) -> None:
    with_blank = {**corpus(), "train": [("", "leer"), *corpus()["train"]]}
    prepare("cldr", lambda scratch: with_blank, options(tmp_path / "corpus"), langs=LANGS)
    card = DataCard.read(tmp_path / "corpus")
    assert (card.dropped, card.lines["train"]) == ({"blank": 1}, 200)


def test_at_the_end_the_sizes_are_printed(
    tmp_path: Path, without_preprocess: None, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "corpus")
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"{tmp_path / 'corpus'} is prepared: 200 train, ")
    assert re.search(r" train, \d+ valid and \d+ test pairs, [\d,]+ symbols\.$", last)


def test_a_second_run_changes_nothing(prepared: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in prepared.rglob("*")}
    make(prepared)
    assert {path: path.stat().st_mtime_ns for path in prepared.rglob("*")} == before


def test_other_options_or_other_files_are_refused(tmp_path: Path, prepared: Path) -> None:
    before = contents(prepared)
    message = (
        f"^OUT_DIR must be new for other options, but {prepared} has bpe_merges 300, not 100.$"
    )
    with pytest.raises(UsageError, match=message):
        make(prepared, bpe_merges=100)
    message = f"^OUT_DIR must be new .*, but {prepared} holds the corpus cldr, not multi30k.$"
    with pytest.raises(UsageError, match=message):
        prepare("multi30k", lambda _: corpus(), options(prepared), langs=LANGS)
    assert contents(prepared) == before
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=f"^OUT_DIR must be new or empty, but {tmp_path} holds"):
        make(tmp_path)
    assert contents(tmp_path).keys() == {"notes.txt"}


@pytest.mark.parametrize("error", [UsageError("x"), KeyboardInterrupt()])
def test_nothing_is_kept_of_a_run_that_failed(tmp_path: Path, error: BaseException) -> None:
    def fail(scratch: Path) -> Corpus:
        scratch.mkdir()
        (scratch / "half").write_text("written")
        raise error

    with pytest.raises(type(error)):
        prepare("cldr", fail, options(tmp_path / "corpus"), langs=LANGS)
    assert list(tmp_path.iterdir()) == []


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    with (
        staging_directory(tmp_path / "corpus"),
        pytest.raises(UsageError, match="by one process at a time"),
        staging_directory(tmp_path / "corpus"),
    ):
        pass


def command(*arguments: object) -> list[str]:
    script = ROOT / "data_prep" / "prepare_cldr_en2de.sh"
    return ["bash", str(script), *map(str, arguments)]


def test_a_killed_run_leaves_no_output_and_the_next_one_succeeds(tmp_path: Path) -> None:
    words = command(tmp_path / "corpus", "--train-pairs", 300, "--bpe-merges", 200)
    # Only a kill that cannot be caught leaves the staging directory, for the next run to remove.
    for kind, left in ((signal.SIGTERM, []), (signal.SIGKILL, [".corpus.partial"])):
        running = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not any(tmp_path.glob(".corpus.partial/raw/*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(kind)
        assert running.wait() != 0
        assert [path.name for path in tmp_path.iterdir()] == left
    subprocess.run(words, check=True, capture_output=True)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_link_to_an_empty_directory_is_followed(tmp_path: Path, prepared: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    make(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert contents(tmp_path / "disk") == contents(prepared)
    make(tmp_path / "link")  # again: it is prepared already


def test_a_directory_without_a_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="^OUT_DIR must name a new directory, but is [.][.]$"):
        make(Path())


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounts a small tmpfs")
def test_a_full_disk_is_reported_in_one_sentence_and_nothing_is_left(tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", tmp_path]).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        words = command(tmp_path / "corpus", "--train-pairs", 2000)
        result = subprocess.run(words, capture_output=True, text=True, check=False)
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1].startswith("error: ")
        assert "No space left on device" in result.stderr.splitlines()[-1]
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--bpe-merges 0", "--bpe-merges must be a whole number of at least 1, but is '0'."),
        ("--workers two", "--workers must be a whole number of at least 1, but is 'two'."),
        ("--test-pairs 0", "--test-pairs must be a whole number of at least 1, but is '0'."),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, flags: str, message: str) -> None:
    assert refusal(main, tmp_path / "corpus", *flags.split()) == message
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_subword_tool_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["command", str(tmp_path / "corpus"), "--subword", "wordpiece"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        main()
    last = capsys.readouterr().err.splitlines()[-1]
    assert "argument --subword: invalid choice: 'wordpiece'" in last
    assert list(tmp_path.iterdir()) == []


def test_more_pairs_than_there_are_is_refused(tmp_path: Path) -> None:
    message = refusal(main, tmp_path / "corpus", "--train-pairs", 70000)
    assert message.startswith("--train-pairs, --valid-pairs and --test-pairs must be at most")
    assert list(tmp_path.iterdir()) == []


def test_the_script_makes_the_same_corpus_in_any_directory(tmp_path: Path, prepared: Path) -> None:
    flags = "--train-pairs 200 --valid-pairs 20 --test-pairs 20 --bpe-merges 300"
    words = command(tmp_path / "corpus", *flags.split())
    subprocess.run(words, check=True, cwd=tmp_path, capture_output=True)
    card, expected = DataCard.read(tmp_path / "corpus"), DataCard.read(prepared)
    assert card.files == expected.files
    assert card.tools == expected.tools
    assert card.options["seed"] == 1
