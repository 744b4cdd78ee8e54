"""WMT14 from a small mirror: every option, and runs that were interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fairseq.data import Dictionary, data_utils
from support.commandline import BIN, ROOT
from support.wmt14_mirror import (
    EUROPARL,
    FLAGS,
    SCRIPT,
    SIZES,
    checksums,
    contents,
    lines,
    make,
    pack,
    text_checksums,
)

from attn_nmt.data import download, wmt14_en2de
from attn_nmt.data.steps import Steps
from attn_nmt.data_card import DataCard, sha256

PrepareText = Callable[..., None]


def test_all_parts_are_joined(prepared: Path) -> None:
    card = DataCard.read(prepared)
    training = SIZES["europarl"] + SIZES["commoncrawl"] + SIZES["news"]
    assert card.lines["train"] + sum(card.dropped.values()) == training
    assert (card.lines["valid"], card.lines["test"]) == (SIZES["valid"], SIZES["test"])
    dataset = data_utils.load_indexed_dataset(
        str(prepared / "data-bin" / "train.en-de.de"),
        Dictionary.load(str(prepared / "data-bin" / "dict.de.txt")),
    )
    assert len(dataset) == card.lines["train"]
    source, target = contents()["dev.tgz"].values()
    assert (prepared / "raw" / "valid.en").read_bytes() == source
    assert (prepared / "raw" / "valid.de").read_bytes() == target
    assert "&" not in (prepared / "raw" / "test.en").read_text(encoding="utf-8")
    assert not (prepared / "text").exists()


def test_the_card_says_what_differs_from_the_published_corpus(prepared: Path) -> None:
    card = DataCard.read(prepared)
    assert card.subset["europarl-v7.de-en.en"] == [SIZES["europarl"], 1_920_209]
    assert card.subset["newstest2014-deen-ref.de.sgm"] == [SIZES["test"], 3003]
    assert card.options["aggressive_hyphens"] is False
    assert checksums(prepared) == {
        **card.files,
        "data_card.json": sha256(prepared / "data_card.json"),
    }


def test_a_second_run_does_nothing(
    prepared: Path, mirror: Path, prepare_text: PrepareText, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in prepared.rglob("*")}
    prepare_text(prepared, mirror)
    assert "prepared already" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in prepared.rglob("*")} == before


def test_two_workers_make_the_same_files(prepared: Path, mirror: Path, tmp_path: Path) -> None:
    output = make(tmp_path / "two", mirror, "--workers", 2)
    assert checksums(tmp_path / "two") == checksums(prepared)
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("sign", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_an_interrupt_is_reported_in_one_word(
    mirror: Path, tmp_path: Path, sign: int, word: str
) -> None:
    """Also with several processes, all of which the terminal's Ctrl-C reaches."""
    command = ["bash", SCRIPT, str(tmp_path / "out"), "--mirror", str(mirror), "--allow-subset"]
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        [*command, "--workers", "2"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PATH": path},
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "[2/" in line:
                break
        os.killpg(process.pid, sign)
        rest = process.stderr.read()
    assert process.returncode == 128 + sign
    assert "Traceback" not in rest
    assert rest.splitlines()[-1].endswith(word)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_sentencepiece_splits_normalised_text(
    mirror: Path, prepare_text: PrepareText, tmp_path: Path, kind: str
) -> None:
    prepare_text(
        tmp_path / "sp", mirror, "--subword", "sentencepiece", "--sentencepiece-type", kind
    )
    card = DataCard.read(tmp_path / "sp")
    assert (card.subword, card.options["sentencepiece_type"]) == ("sentencepiece", kind)
    pieces = lines(tmp_path / "sp" / "subwords" / "train.de")
    text = lines(tmp_path / "sp" / "normalized" / "train.de")
    assert [card.subwords.decode(line) for line in pieces] == text
    assert not (tmp_path / "sp" / "tokens").exists()


def test_a_hundredth_can_be_held_out(
    prepared: Path, mirror: Path, prepare_text: PrepareText, tmp_path: Path
) -> None:
    prepare_text(tmp_path / "held", mirror, "--valid", "held-out", "--news-commentary", 12)
    card, whole = DataCard.read(tmp_path / "held"), DataCard.read(prepared)
    assert card.lines["valid"] == whole.lines["train"] // 100 > 0
    assert card.lines["train"] + card.lines["valid"] == whole.lines["train"]
    assert "newstest2013.en" not in card.subset
    assert "news-commentary-v12.de-en.en" in card.subset
    held, tokens = (
        lines(directory / "tokens" / name)
        for directory, name in ((tmp_path / "held", "valid.de"), (prepared, "train.de"))
    )
    assert held == tokens[99::100]
    raw = (tmp_path / "held" / "raw" / "valid.de").read_text(encoding="utf-8")
    assert raw.count("\n") == len(held)


def test_hyphens_can_be_split(mirror: Path, prepare_text: PrepareText, tmp_path: Path) -> None:
    prepare_text(tmp_path / "split", mirror, "--aggressive-hyphens")
    assert DataCard.read(tmp_path / "split").options["aggressive_hyphens"] is True
    assert " @-@ " in (tmp_path / "split" / "tokens" / "train.en").read_text(encoding="utf-8")


def test_strange_lines_are_cleaned_or_dropped(
    mirror: Path, prepare_text: PrepareText, tmp_path: Path
) -> None:
    """Windows line ends, tabs and U+2028 become blanks; blank and endless lines are dropped."""
    strange = {
        b"one tab\there\r\n": b"ein Tab\thier\r\n",
        "a separator\u2028inside\n".encode(): "ein Trenner\u2028innen\n".encode(),
        b"nothing there\n": b"\n",
        b"word " * 10_000 + b"\n": b"Wort " * 10_000 + b"\n",
        b"far too short\n": b"viel zu lang " * 3 + b"\n",
    }
    files = contents()
    for name, added in zip(files[EUROPARL], (strange.keys(), strange.values()), strict=True):
        files[EUROPARL][name] = b"".join(added) + files[EUROPARL][name]
    prepare_text(tmp_path / "out", pack(tmp_path / "mirror", files))
    card = DataCard.read(tmp_path / "out")
    tokens = [lines(tmp_path / "out" / "tokens" / f"train.{lang}") for lang in ("en", "de")]
    assert tokens[0][:2] == ["one tab here", "a separator inside"]
    assert tokens[1][:2] == ["ein Tab hier", "ein Trenner innen"]
    assert card.dropped["blank"] == card.dropped["more than 250 tokens"] == 1
    assert len(tokens[0]) == len(tokens[1]) == card.lines["train"]


def test_downloads_from_a_server_that_drops_connections_are_resumed_and_kept(
    prepared: Path,
    server: str,
    prepare_text: PrepareText,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every archive takes several attempts; they are kept, for other options."""
    monkeypatch.setattr(download, "RETRY_DELAY", 0.0)
    prepare_text(tmp_path / "out", server)
    assert len(list((tmp_path / "out" / "archives").iterdir())) == 5
    assert text_checksums(tmp_path / "out") == text_checksums(prepared)


# Stands in for a kill within a step: half of its output is written, and the step not recorded.
KILLED = """
import os, signal, sys
from attn_nmt.command_line import run as start
from attn_nmt.data.steps import Steps
from attn_nmt.data.wmt14_en2de import main
whole = Steps.run
def run(self, name, action, *, outputs, settings):
    def half():
        action()
        for output in outputs:
            path = self.directory / output
            for file in [path] if path.is_file() else sorted(path.rglob("*")):
                if file.is_file():
                    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, name, half if self._number == step else action, outputs=outputs, settings=settings)
Steps.run = run
for step in range(5):
    if pid := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print("status", status, file=sys.stderr, flush=True)
    else:
        start(main)
"""


def test_a_run_killed_in_each_step_ends_in_the_same_files(
    prepared: Path, mirror: Path, tmp_path: Path
) -> None:
    out_dir = tmp_path / "killed"
    result = subprocess.run(
        [sys.executable, "-c", KILLED, str(out_dir), "--mirror", str(mirror), *FLAGS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    *runs, rest = result.stderr.split(f"status {-signal.SIGKILL}\n")
    assert rest == ""
    assert [run.count("(done before)") for run in runs] == [0, 0, 1, 2, 3]
    assert not out_dir.exists()
    assert make(out_dir, mirror).count("(done before)") == 4
    assert checksums(out_dir) == checksums(prepared)


@contextmanager
def interrupted(step: int) -> Iterator[None]:
    """Interrupt the preparation in the block before the given step, counted from 0."""
    whole = Steps.run

    def run(self: Steps, *args: object, **kwargs: object) -> None:
        if self._number == step:
            raise KeyboardInterrupt
        whole(self, *args, **kwargs)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Steps, "run", run)
        yield


def test_steps_with_other_archives_are_repeated(
    mirror: Path, prepared: Path, prepare_text: PrepareText, tmp_path: Path
) -> None:
    other, out_dir = tmp_path / "mirror", tmp_path / "out"
    files = contents()
    for lang in ("en", "de"):
        name = f"training/europarl-v7.de-en.{lang}"
        files[EUROPARL][name] = b"one\n" * SIZES["europarl"]
    pack(other, files)
    with interrupted(3):
        prepare_text(out_dir, other)
    prepare_text(out_dir, mirror)
    assert text_checksums(out_dir) == text_checksums(prepared)


def test_nothing_is_kept_of_an_interrupted_run_with_another_tool(
    mirror: Path, prepared: Path, prepare_text: PrepareText, tmp_path: Path
) -> None:
    with interrupted(4):
        prepare_text(tmp_path / "out", mirror, "--subword", "sentencepiece")
    assert (tmp_path / ".out.partial" / "sentencepiece.model").is_file()
    prepare_text(tmp_path / "out", mirror)
    assert text_checksums(tmp_path / "out") == text_checksums(prepared)


def test_the_vocabulary_is_that_of_the_paper_unless_asked_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Namespace] = []
    monkeypatch.setattr(
        wmt14_en2de, "create_output", lambda name, build, args, **_: seen.append(args)
    )
    monkeypatch.setattr(sys, "argv", ["prepare", str(tmp_path / "out")])
    wmt14_en2de.main()
    assert [args.bpe_merges for args in seen] == [37000]
