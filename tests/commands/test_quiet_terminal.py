"""What commands print: what a person needs; the rest is in a log that they name."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest
from support.commandline import BIN, RECIPE, ROOT, SMALL, fairseq, run_attn_nmt, run_command

from attn_nmt.training import save_dir

NOISE = re.compile("hydra|tensorboard|detected shared|Deprecat|FutureWarning|_name|pin_memory|\r")
TRAIN = ("bash", "scripts/train.sh", "attn_transformer_tiny")
FLAGS = (*SMALL, "--max-tokens", 1500, "--tokens-per-update", 1500, "--max-update", 22)


def quiet(printed: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines of a command, which must be few, short and free of noise."""
    lines = (printed.stderr + printed.stdout).split("\n")
    assert max(map(len, lines)) < 350, "evaluate.sh's JSON object is the longest"
    assert max((len(line) for line in lines if not line.startswith("{")), default=0) <= 200
    assert not [line for line in lines if NOISE.search(line)]
    return lines


def test_training_shows_its_progress_and_keeps_the_whole_log(
    data_bin: Path, tmp_path: Path
) -> None:
    """Started twice: the log keeps both, and the second start shows nothing of the first."""
    log = tmp_path / "train.log"
    words = (*TRAIN, data_bin, tmp_path, *FLAGS)
    lines = quiet(run_command(*words, "--log-interval", 10))
    assert f"log: {log}" in lines
    left = r"epoch \d, loss [\d.]+, [\d,]+ words/s, \d+ s left"
    for updates in (10, 20):
        assert any(
            re.fullmatch(f"training: {updates} of 22 updates, {left}", line) for line in lines
        )
    assert any(
        re.fullmatch(r"validation at update 22: loss [\d.]+ \(best\)", line) for line in lines
    )
    assert "saved checkpoint_best.pt at update 22" in lines
    assert any(line.startswith("trained to update 22 of 22 in ") for line in lines)
    first = log.read_text()
    assert "'_name': None, 'common'" in first and "train_inner" in first

    json_log = ("--log-format", "json", "--log-interval", 2, "--max-update", 24)
    again = quiet(run_attn_nmt("train", *words[2:], *json_log))
    assert any(
        re.match("resuming from checkpoint_last.pt: epoch ., update 22", line) for line in again
    )
    assert any(line.startswith("training: 24 of 24 updates, epoch") for line in again)
    assert not any("of 22" in line for line in again)
    assert log.read_text().startswith(first)
    assert '"num_updates": "24"' in log.read_text().removeprefix(first)
    assert len(lines) < 15 and len(again) < 15

    done = quiet(run_attn_nmt("train", *words[2:], "--max-update", 24))
    assert any(line.startswith("training is finished: ") for line in done)


def test_a_log_that_is_the_output_is_not_written_twice(data_bin: Path, tmp_path: Path) -> None:
    """As in study run, and for those who want all of it."""
    words = [str(word) for word in (*TRAIN, data_bin, tmp_path, *FLAGS, "--max-update", 2)]
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    with (tmp_path / "train.log").open("a") as log:
        subprocess.run(
            words, check=True, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "PATH": path}
        )
    text = (tmp_path / "train.log").read_text()
    assert text.count("| done training in") == 1 and text.count("batch: ") == 1
    assert "log: " not in text


def test_evaluation_shows_scores_and_keeps_the_whole_log(
    trained: Path, data_bin: Path, tmp_path: Path
) -> None:
    (tmp_path / "checkpoint_best.pt").write_bytes((trained / "checkpoint_best.pt").read_bytes())
    evaluate = ("bash", "scripts/evaluate.sh", tmp_path, data_bin, "--max-tokens", 200)
    lines = quiet(run_command(*evaluate))
    log = tmp_path / "evaluation-test" / "generate.log"
    assert any(
        re.fullmatch(r"translating test with checkpoint_best.pt: \d+ batches", line)
        for line in lines
    )
    assert f"log: {log}" in lines and len(lines) < 12
    assert "'_name': None, 'common'" in log.read_text()
    whole = log.read_text()
    failed = run_attn_nmt("evaluate", *evaluate[2:], "--beeam", 2, check=False)
    assert log.read_text() == whole, "the log of the scores must stay"
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.splitlines() == [
        "error: --beeam must be a flag of this command, of which --beam is the nearest, but is "
        "unknown to it.",
        f"The full log is in {log.with_name('generate-failed.log')}.",
    ]
    run_attn_nmt("evaluate", *evaluate[2:])
    assert sorted(path.name for path in log.parent.glob("*.log")) == ["generate.log"]


def test_a_terminal_gets_a_bar_with_updates_loss_speed_and_time_left(
    data_bin: Path, tmp_path: Path
) -> None:
    words = [str(word) for word in (*TRAIN, data_bin, tmp_path, *FLAGS, "--log-interval", 5)]
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 40, 160, 0, 0))
    running = subprocess.Popen(
        words,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env={**os.environ, "PATH": path},
    )
    os.close(terminal)
    printed = b""
    try:
        while block := os.read(main, 1 << 16):
            printed += block
    except OSError:  # the other side is closed
        pass
    os.close(main)
    assert running.wait() == 0
    states = printed.decode().split("\r")
    bar = re.compile(
        r"training: .*\| (\d+)/22 updates \[.*, epoch \d, loss [\d.]+, .* words/s, .* left\]"
    )
    counts = [int(match[1]) for state in states if (match := bar.match(state))]
    assert counts == sorted(counts) and 5 <= counts[0] <= counts[-1] <= 22


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_an_interrupted_training_ends_its_child_and_says_how_to_resume(
    data_bin: Path, tmp_path: Path, number: signal.Signals, status: int, word: str
) -> None:
    flags = (*FLAGS, "--max-update", 100_000, "--save-interval-updates", 2)
    words = [str(each) for each in (*TRAIN, data_bin, tmp_path, *flags)]
    running = subprocess.Popen(
        words,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
    )
    while not (tmp_path / "checkpoint_last.pt").exists() and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(number)
    errors = running.communicate()[1]
    assert running.returncode == status
    assert errors.splitlines()[-2:] == [
        f"the same command resumes from {tmp_path / 'checkpoint_last.pt'}",
        word,
    ]
    save_dir.require_free(tmp_path)  # or else its child would still hold the directory


MODEL = ("--arch", "attn_transformer_tiny")
PLAIN = ("{data_bin}", "--user-dir", "attn_nmt", *RECIPE, "--save-dir", "{run}")
RECIPE_TRAIN = ("attn-nmt", "train", "attn_transformer_tiny", "{data_bin}", "{run}")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("fairseq-train", *PLAIN, *MODEL, "--self-attn-terms", "0112"),
            "--self-attn-terms must be four bits, each 0 or 1, or none, but is '0112' instead.",
        ),
        (
            ("train", *PLAIN, "--arch", "attn_transformer_tin"),
            "--arch must be an architecture, of which attn_transformer_tiny is the nearest, but "
            "is 'attn_transformer_tin'.",
        ),
        (
            ("train", *PLAIN, *MODEL, "--sefl-attn-terms", "0110"),
            "--sefl-attn-terms must be a flag of this command, of which --self-attn-terms is the "
            "nearest, but is unknown to it.",
        ),
        (
            ("train", *PLAIN, *MODEL, "--save-dir", "{file}/run"),
            "--save-dir must be a directory, but {file} is not one.",
        ),
        (
            (*RECIPE_TRAIN, "--cross-attn-terms", "none"),
            "--cross-attn-terms must be four bits, each 0 or 1, but is 'none' instead.",
        ),
        (
            (*RECIPE_TRAIN, "--max-updates", "5"),
            "--max-updates must be a flag of this command, of which --max-update is the nearest, "
            "but is unknown to it.",
        ),
        (
            ("attn-nmt", "train", "attn_transformer_tiny", "{data_bin}", "{file}/run"),
            "SAVE_DIR must be a directory, but {file} is not one.",
        ),
        (
            (*RECIPE_TRAIN, "--user-dir", "elsewhere"),
            f"--user-dir must be a directory, but elsewhere is not one in {ROOT}; it may be left "
            "out, and `attn-nmt path` prints where this package is.",
        ),
        (
            ("attn-nmt", "evaluate", "{file}", "{data_bin}", "--user-dir", "no"),
            f"--user-dir must be a directory, but no is not one in {ROOT}; it may be left out, and "
            "`attn-nmt path` prints where this package is.",
        ),
    ],
)
def test_an_error_is_one_sentence_and_nothing_else(
    data_bin: Path, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    names = {"data_bin": data_bin, "run": tmp_path / "run", "file": file}
    command = [word.format(**names) for word in map(str, words)]
    if words[0] == "train":  # fairseq-train again, without the seconds of its start
        lines = fairseq(*command, check=False).splitlines()
    else:
        run = run_command if words[0] == "fairseq-train" else run_attn_nmt
        result = run(*command[run is run_attn_nmt :], check=False)
        assert result.returncode == 1
        lines = (result.stdout + result.stderr).splitlines()
    # fairseq's advice on tensorboardX comes before it has read --user-dir.
    assert [line for line in lines if "tensorboardX" not in line] == [
        f"error: {sentence.format(**names)}"
    ]
    assert not (tmp_path / "run").exists()
