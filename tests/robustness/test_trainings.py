"""One training at a time in a directory, and a finished one stays as it is."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.commandline import RECIPE, ROOT, SMALL, fairseq, run_command, train

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.training import save_dir

HOLD = """
import sys, time
from pathlib import Path
from attn_nmt.training import save_dir
save_dir.acquire(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(1000)
"""


@contextmanager
def hold(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Let another process hold the directory until the end of the block."""
    command = [sys.executable, "-c", HOLD, str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    with hold(tmp_path) as other:
        message = (
            f"SAVE_DIR must be used by one training at a time, but {tmp_path} is used by process "
            f"{other.pid} on {socket.gethostname()}."
        )
        for refused in (save_dir.acquire, save_dir.require_free):
            with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
                refused(tmp_path)
    save_dir.require_free(tmp_path)
    save_dir.acquire(tmp_path)
    save_dir.acquire(tmp_path)
    assert str(os.getpid()) in (tmp_path / save_dir.FILE_NAME).read_text()


def test_a_directory_that_does_not_exist_is_free(tmp_path: Path) -> None:
    save_dir.require_free(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_trainings_refuse_a_directory_in_use(data_bin: Path, tmp_path: Path) -> None:
    flags = ("--user-dir", "attn_nmt", "--arch", "attn_transformer_tiny", "--max-tokens", 900)
    with hold(tmp_path):
        log = fairseq("train", data_bin, *flags, "--save-dir", tmp_path, check=False)
        command = ("bash", "scripts/train.sh", "attn_transformer_tiny", data_bin, tmp_path)
        script = run_command(*command, check=False)
    sentence = f"error: SAVE_DIR must be used by one training at a time, but {tmp_path} is used by"
    assert log.splitlines()[-1].startswith(sentence)
    assert script.stderr.splitlines()[-1].startswith(sentence)
    assert [path.name for path in tmp_path.iterdir()] == [save_dir.FILE_NAME]


def test_a_finished_training_changes_nothing_when_started_again(
    data_bin: Path, tmp_path: Path
) -> None:
    train(data_bin, tmp_path, "--max-update", 5)
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    log = train(data_bin, tmp_path, "--max-update", 5)
    assert f"training is finished: {tmp_path} has 5 updates, and --max-update is 5" in log
    assert set(tmp_path.iterdir()) == files.keys()
    changed = [path.name for path, content in files.items() if path.read_bytes() != content]
    assert changed == [save_dir.FILE_NAME]
    train(data_bin, tmp_path, "--max-update", 6)
    history = load_checkpoint(tmp_path / "checkpoint_last.pt")["optimizer_history"]
    assert history[-1]["num_updates"] == 6


def test_a_training_from_a_checkpoint_with_more_updates_is_not_finished(
    data_bin: Path, trained: Path, tmp_path: Path
) -> None:
    model = ("--user-dir", "attn_nmt", "--arch", "attn_transformer_tiny", *SMALL, *RECIPE)
    begin = ("--restore-file", trained / "checkpoint_last.pt", "--max-update", 5)
    log = fairseq("train", data_bin, *model, *begin, "--save-dir", tmp_path, check=False)
    assert log.splitlines()[-1].startswith("error: --max-update must be more than the ")


def test_a_loss_that_is_not_a_number_is_explained_last(data_bin: Path, tmp_path: Path) -> None:
    model = ("--user-dir", "attn_nmt", "--arch", "attn_transformer_tiny", "--max-tokens", 900)
    recipe = ("--optimizer", "adam", "--lr", 1e30, "--max-update", 20)
    log = fairseq("train", data_bin, *model, *recipe, "--save-dir", tmp_path, check=False)
    assert log.splitlines()[-1].startswith("error: The loss and its gradient must be finite, but")


def test_half_precision_without_a_gpu_is_refused(data_bin: Path, tmp_path: Path) -> None:
    model = ("--user-dir", "attn_nmt", "--arch", "attn_transformer_tiny", "--max-tokens", 900)
    log = fairseq("train", data_bin, *model, "--fp16", "--save-dir", tmp_path, check=False)
    assert log.splitlines()[-1] == (
        "error: --fp16 must be left out without a GPU, but is given; --bf16 works on a CPU."
    )
