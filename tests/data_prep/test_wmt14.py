"""WMT14 by its command, from a small mirror: every option, and runs that were interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fairseq.data import Dictionary, data_utils
from support.commandline import BIN, ROOT
from support.wmt14_mirror import EUROPARL, SCRIPT, SIZES, checksums, contents, lines, make, pack

from attn_nmt.data_card import DataCard, sha256


def test_all_parts_come_together(prepared: Path) -> None:
    card = DataCard.read(prepared)
    training = SIZES["europarl"] + SIZES["commoncrawl"] + SIZES["news"]
    assert card.lines["train"] + sum(card.dropped.values()) == training
    assert (card.lines["valid"], card.lines["test"]) == (SIZES["valid"], SIZES["test"])
    found = data_utils.load_indexed_dataset(
        str(prepared / "data-bin" / "train.en-de.de"),
        Dictionary.load(str(prepared / "data-bin" / "dict.de.txt")),
    )
    assert len(found) == card.lines["train"]
    files = contents()
    source, target = files["dev.tgz"].values()
    assert (prepared / "raw" / "valid.en").read_bytes() == source
    assert (prepared / "raw" / "valid.de").read_bytes() == target
    assert "&" not in (prepared / "raw" / "test.en").read_text(encoding="utf-8")
    assert not (prepared / "text").exists()


def test_the_card_says_what_is_not_the_known_corpus(prepared: Path) -> None:
    card = DataCard.read(prepared)
    assert card.subset["europarl-v7.de-en.en"] == [SIZES["europarl"], 1_920_209]
    assert card.subset["newstest2014-deen-ref.de.sgm"] == [SIZES["test"], 3003]
    assert card.options["aggressive_hyphens"] is False
    assert checksums(prepared) == {
        **card.files,
        "data_card.json": sha256(prepared / "data_card.json"),
    }


def test_a_second_run_does_nothing(prepared: Path, mirror: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in prepared.rglob("*")}
    assert "prepared already" in make(prepared, mirror)
    assert {path: path.stat().st_mtime_ns for path in prepared.rglob("*")} == before


def test_two_workers_make_the_same_files(prepared: Path, mirror: Path, tmp_path: Path) -> None:
    said = make(tmp_path / "two", mirror, "--workers", 2)
    assert checksums(tmp_path / "two") == checksums(prepared)
    assert "Traceback" not in said


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_one_word(mirror: Path, tmp_path: Path, sign: int) -> None:
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
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert rest.splitlines()[-1].endswith("interrupted")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_sentencepiece_works_on_normalised_text(mirror: Path, tmp_path: Path, kind: str) -> None:
    make(tmp_path / "sp", mirror, "--subword", "sentencepiece", "--sentencepiece-type", kind)
    pieces = lines(tmp_path / "sp" / "subwords" / "train.de")
    text = lines(tmp_path / "sp" / "normalized" / "train.de")
    assert [line.replace(" ", "").replace("▁", " ").strip() for line in pieces] == text
    assert not (tmp_path / "sp" / "tokens").exists()


def test_a_hundredth_can_be_held_out(prepared: Path, mirror: Path, tmp_path: Path) -> None:
    make(tmp_path / "held", mirror, "--valid", "held-out", "--news-commentary", 12)
    card, whole = DataCard.read(tmp_path / "held"), DataCard.read(prepared)
    assert card.lines["valid"] == whole.lines["train"] // 100 > 0
    assert card.lines["train"] + card.lines["valid"] == whole.lines["train"]
    assert "newstest2013.en" not in card.subset
    assert "news-commentary-v12.de-en.en" in card.subset
    held, tokens = (
        lines(folder / "tokens" / name)
        for folder, name in ((tmp_path / "held", "valid.de"), (prepared, "train.de"))
    )
    assert held == tokens[99::100]
    raw = (tmp_path / "held" / "raw" / "valid.de").read_text(encoding="utf-8")
    assert raw.count("\n") == len(held)


def test_hyphens_may_be_split(mirror: Path, tmp_path: Path) -> None:
    make(tmp_path / "split", mirror, "--aggressive-hyphens")
    assert DataCard.read(tmp_path / "split").options["aggressive_hyphens"] is True
    assert " @-@ " in (tmp_path / "split" / "tokens" / "train.en").read_text(encoding="utf-8")


def test_a_server_that_drops_connections(prepared: Path, server: str, tmp_path: Path) -> None:
    """Every archive takes several attempts; they are kept, for other options."""
    make(tmp_path / "got", server)
    found = checksums(tmp_path / "got")
    kept = {name for name in found if name.startswith("archives/")}
    assert len(kept) == 5
    same = {name: value for name, value in found.items() if name not in kept}
    del same["data_card.json"]
    expected = checksums(prepared)
    del expected["data_card.json"]
    assert same == expected


# Stands in for a kill in the middle of a step: half of its output is there, the step not recorded.
KILLED = """
import os, signal, sys
from data_prep.steps import Steps
whole, at = Steps.run, int(sys.argv.pop(1))
def run(self, name, do, *, makes, settings):
    def half():
        do()
        for made in makes:
            path = self.folder / made
            for file in [path] if path.is_file() else sorted(path.rglob("*")):
                if file.is_file():
                    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, name, half if self._number == at else do, makes=makes, settings=settings)
Steps.run = run
from attn_nmt.command_line import run as start
from data_prep.wmt14_en2de import main
start(main)
"""


def test_a_run_killed_in_each_step_ends_in_the_same_files(
    prepared: Path, mirror: Path, tmp_path: Path
) -> None:
    out_dir = tmp_path / "killed"
    flags = ["--mirror", str(mirror), "--allow-subset", "--bpe-merges", "400"]
    for step in range(5):
        result = subprocess.run(
            [sys.executable, "-c", KILLED, str(step), str(out_dir), *flags],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert result.returncode == -signal.SIGKILL, result.stderr
        assert result.stderr.count("(done before)") == max(0, step - 1)
        assert not out_dir.exists()
    assert make(out_dir, mirror).count("(done before)") == 4
    assert checksums(out_dir) == checksums(prepared)


def test_a_changed_archive_is_taken_anew(mirror: Path, prepared: Path, tmp_path: Path) -> None:
    """What was prepared from other archives before the interruption is not taken over."""
    other, out_dir = tmp_path / "mirror", tmp_path / "out"
    files = contents()
    name = "training/europarl-v7.de-en"
    for lang in ("en", "de"):
        files[EUROPARL][f"{name}.{lang}"] = b"one\n" * SIZES["europarl"]
    pack(other, files)
    flags = ["--mirror", str(other), "--allow-subset", "--bpe-merges", "400"]
    subprocess.run(
        [sys.executable, "-c", KILLED, "3", str(out_dir), *flags],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    make(out_dir, mirror)
    assert checksums(out_dir) == checksums(prepared)


def test_nothing_stays_of_a_run_with_another_tool(
    mirror: Path, prepared: Path, tmp_path: Path
) -> None:
    """Interrupted with sentencepiece, then prepared with subword-nmt."""
    flags = ["--mirror", str(mirror), "--allow-subset", "--bpe-merges", "400"]
    subprocess.run(
        [
            sys.executable,
            "-c",
            KILLED,
            "4",
            str(tmp_path / "out"),
            *flags,
            "--subword",
            "sentencepiece",
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (tmp_path / ".out.partial" / "sentencepiece.model").is_file()
    make(tmp_path / "out", mirror)
    assert checksums(tmp_path / "out") == checksums(prepared)
