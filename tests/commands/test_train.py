"""train.sh on CPUs: processes agree with one, killed runs resume, bad input is one sentence."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from support.commandline import (
    BIN,
    ROOT,
    SMALL,
    fairseq,
    logged,
    refusal,
    run_attn_nmt,
    run_command,
)

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.training import __main__ as training
from attn_nmt.training.command import Command
from attn_nmt.training.devices import find_free_port

FLAGS = (*SMALL, "--max-tokens", 1500, "--lr", 0.005, "--warmup-updates", 100)
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
EVERY_5 = ("--save-interval-updates", 5, "--tokens-per-update", 1500, "--max-update", 22)


def arguments(data_bin: Path, save_dir: Path, *flags: object) -> list[str]:
    return list(map(str, ("attn_transformer_tiny", data_bin, save_dir, *FLAGS, *flags)))


def train_sh(data_bin: Path, save_dir: Path, *flags: object) -> list[str]:
    return ["bash", "scripts/train.sh", *arguments(data_bin, save_dir, *flags)]


def train(data_bin: Path, save_dir: Path, *flags: object) -> str:
    """Do in this process what train.sh does for one process; return what it prints."""

    def launch(commands: list[Command], display: object) -> None:
        (command,) = commands
        assert command.argv[:3] == (sys.executable, "-m", "fairseq_cli.train")
        print(fairseq("train", *command.argv[3:]))

    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as printed,
    ):
        patch.setattr(sys, "argv", ["train.sh", *arguments(data_bin, save_dir, *flags)])
        patch.setattr(training, "launch", launch)
        training.main()
    return printed.getvalue()


def last(save_dir: Path) -> dict[str, Any]:
    return load_checkpoint(save_dir / "checkpoint_last.pt")


def updates(save_dir: Path) -> int:
    return int(last(save_dir)["optimizer_history"][-1]["num_updates"])


def equal(left: Path, right: Path) -> bool:
    """Whether two trainings ended with the same parameters, to the last bit."""
    models = last(left)["model"], last(right)["model"]
    return all(torch.equal(models[0][name], models[1][name]) for name in models[0])


@pytest.fixture(scope="module")
def undisturbed(data_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of 22 updates, with a checkpoint every 5."""
    save_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    train(data_bin, save_dir, *EVERY_5)
    return save_dir


def test_two_processes_do_what_one_does_in_two_batches(data_bin: Path, tmp_path: Path) -> None:
    """Beyond an epoch of 9 updates, the last of which has one batch only; and resumed."""
    flags = ("--dropout", 0, "--tokens-per-update", 3000, "--log-interval", 1)
    one = train(data_bin, tmp_path / "one", *flags, "--max-update", 12)
    log = tmp_path / "two" / "train.log"
    logs: list[str] = []
    for max_update in (4, 12):
        words = arguments(data_bin, tmp_path / "two", *flags, "--max-update", max_update)
        printed = run_attn_nmt("train", *words, "--processes", 2)
        logs.append(log.read_text().removeprefix("".join(logs)))
        assert f"training: {max_update} of {max_update} updates, epoch" in printed.stderr
    first, second = logs
    assert "batch: 1500 tokens x 1 device x update-freq 2 = 3000 tokens per update" in one
    assert "batch: 1500 tokens x 2 devices x update-freq 1 = 3000" in printed.stdout
    for field, tolerance in (("loss", 2e-3), ("wpb", 0)):
        joint = logged(first, field, "train_inner") + logged(second, field, "train_inner")
        assert len(joint) == 12
        assert joint == pytest.approx(logged(one, field, "train_inner"), abs=tolerance)
    models = [last(tmp_path / name)["model"] for name in ("one", "two")]
    torch.testing.assert_close(models[0], models[1], rtol=1e-4, atol=1e-5)
    assert max(logged(one, "wpb", "train_inner")) > 2000, "update-freq must show in the words"


def test_a_killed_training_resumes_to_the_same_end(
    data_bin: Path, undisturbed: Path, tmp_path: Path
) -> None:
    killed = subprocess.Popen(
        train_sh(data_bin, tmp_path, *EVERY_5),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**ENVIRONMENT, "OMP_NUM_THREADS": "1"},
    )
    while not (tmp_path / "checkpoint_1_10.pt").exists() and killed.poll() is None:
        time.sleep(0.001)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    log = train(data_bin, tmp_path, *EVERY_5)
    assert "Loaded checkpoint" in log
    assert updates(tmp_path) == 22
    assert equal(tmp_path, undisturbed)


def test_a_truncated_last_checkpoint_is_replaced_and_resumed_from(
    data_bin: Path, undisturbed: Path, tmp_path: Path
) -> None:
    save_dir = tmp_path / "run"
    shutil.copytree(undisturbed, save_dir)
    (save_dir / "checkpoint_best.pt").unlink()
    (newest,) = save_dir.glob("checkpoint_*_20.pt")
    path = save_dir / "checkpoint_last.pt"
    path.write_bytes(path.read_bytes()[:100_000])
    log = train(data_bin, save_dir, *EVERY_5)
    assert f"restart: {path} was truncated; replaced by {newest.name}, of 20 updates\n" in log
    assert "@ 20 updates" in log
    assert updates(save_dir) == 22
    assert equal(save_dir, undisturbed)


def test_the_last_five_checkpoints_are_kept_and_none_of_an_epoch(undisturbed: Path) -> None:
    kept = sorted(int(re.split(r"[_.]", path.name)[2]) for path in undisturbed.glob("*_*_*.pt"))
    assert kept == [5, 10, 15, 20]
    assert not list(undisturbed.glob("checkpoint[0-9]*.pt"))


def test_a_process_that_fails_ends_the_training(data_bin: Path, tmp_path: Path) -> None:
    wrong = ("--max-source-positions", 3, "--processes", 2)
    result = run_attn_nmt("train", *arguments(data_bin, tmp_path / "run", *wrong), check=False)
    assert result.returncode == 1
    *_, sentence, stopped, place = result.stderr.splitlines()
    assert sentence.startswith("error: Size of sample #")
    assert re.fullmatch("Number [01] of 2 processes failed; all were stopped.", stopped)
    assert place == f"The full log is in {tmp_path / 'run' / 'train.log'}."


def test_two_nodes_train_together(data_bin: Path, tmp_path: Path) -> None:
    """By the commands that are printed for the nodes, here both on this machine."""
    flags = ("--nodes", 2, "--master", f"127.0.0.1:{find_free_port()}", "--max-update", 2)
    printed = run_attn_nmt("train", *arguments(data_bin, tmp_path / "run", *flags))
    lines = printed.stdout.splitlines()
    assert len(lines) == 2
    assert not (tmp_path / "run").exists()
    nodes = [
        subprocess.Popen(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=ENVIRONMENT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for line in lines
    ]
    logs = [node.communicate()[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], logs
    log = tmp_path / "run" / "train.log"
    assert "training on 2 devices" in log.read_text()
    assert f"log: {log}" in logs[0] and "training: 2 of 2 updates" not in logs[1]
    assert f"log: {log.with_name('train-node1.log')}" in logs[1]
    assert updates(tmp_path / "run") == 2


def test_a_dry_run_prints_everything_and_creates_nothing(
    data_bin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(training, "launch", lambda _: pytest.fail("nothing may start"))
    flags = ("--dry-run", "--tokens-per-update", 4000, "--processes", 2, "--adam-betas", "(0.8, 1)")
    before = {path: path.stat().st_mtime_ns for path in (data_bin, *data_bin.iterdir())}
    monkeypatch.setattr(sys, "argv", ["train.sh", *arguments(data_bin, tmp_path / "run", *flags)])
    training.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "recipe:"
    assert "  --optimizer fused_adam" in lines and "  --share-all-embeddings" in lines
    assert "  --lr 0.001  (overridden: 0.005)" in lines
    assert "  --adam-betas '(0.9, 0.98)'  (overridden: (0.8, 1))" in lines
    assert "  --max-update 100000" in lines
    end = lines.index("commands:")
    assert lines[end - 1].startswith(
        "batch: 1500 tokens x 2 devices x update-freq 1 = 3000 tokens per update (wanted 4000)"
    )
    commands = [shlex.split(line) for line in lines[end + 1 :]]
    assert len(commands) == 2
    for rank, words in enumerate(commands):
        assert words[:7] == [
            *("MALLOC_MMAP_MAX_=0", "MALLOC_TRIM_THRESHOLD_=17179869184"),
            *("OMP_NUM_THREADS=1", "CUDA_VISIBLE_DEVICES=", sys.executable),
            *("-m", "fairseq_cli.train"),
        ]
        assert words[words.index("--distributed-rank") + 1] == str(rank)
        assert "--dry-run" not in words
    assert list(tmp_path.iterdir()) == []
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_dry_run_leaves_a_save_dir_as_it_is(
    data_bin: Path,
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Even one whose last checkpoint a real start would replace; on several nodes, as node 0."""
    monkeypatch.setattr(training, "launch", lambda _: pytest.fail("nothing may start"))
    save_dir = tmp_path / "run"
    shutil.copytree(undisturbed, save_dir)
    (save_dir / "checkpoint_last.pt").write_bytes(b"truncated")
    before = {path: path.read_bytes() for path in save_dir.iterdir()}
    words = arguments(data_bin, save_dir, "--dry-run", "--nodes", 2)
    monkeypatch.setattr(sys, "argv", ["train.sh", *words])
    training.main()
    printed = capsys.readouterr().out
    assert "tokens x 2 devices x update-freq" in printed and "\ncommand:\n" in printed
    assert {path: path.read_bytes() for path in save_dir.iterdir()} == before


def test_train_sh_reports_bad_input_in_one_sentence(data_bin: Path, tmp_path: Path) -> None:
    result = run_command(*train_sh(data_bin, tmp_path / "run", "--max-tokens", 0), check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "error: --max-tokens must be a whole number of at least 1, but is '0'."
    ]
    assert result.stdout == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arch", "data", "flags", "world_size", "message"),
    [
        (
            "attn_transformer_tiny",
            "{data_bin}",
            "",
            "2",
            "attn-nmt train must be started once per node, since it starts the processes itself, "
            "but WORLD_SIZE is 2.",
        ),
        (
            "attn_transformer_tiny",
            "{data_bin}",
            "--update-freq 2 --tokens-per-update 3000",
            "1",
            "--update-freq must be given without --tokens-per-update, from which it follows, "
            "but both are given.",
        ),
        (
            "attn_transformer_tinny",
            "{data_bin}",
            "",
            "1",
            "ARCH must be an architecture, of which attn_transformer_tiny is the nearest, "
            "but is 'attn_transformer_tinny'.",
        ),
        (
            "attn_transformer_tiny",
            "/nowhere",
            "",
            "1",
            "DATA_BIN must be a directory, but /nowhere is not one.",
        ),
        (
            "attn_transformer_tiny",
            "{empty}",
            "",
            "1",
            "DATA_BIN must hold dict.LANG.txt, which fairseq-preprocess writes, "
            "but {empty} does not.",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    data_bin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arch: str,
    data: str,
    flags: str,
    world_size: str,
    message: str,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", world_size)
    names = {"data_bin": data_bin, "empty": tmp_path}
    words = (arch, data.format(**names), tmp_path / "run", *flags.split())
    assert refusal(training.main, *words) == message.format(**names)
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "run").exists()
