"""Running the commands, in processes of their own or in this one, and what they work on."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.data.lines import Pairs
from attn_nmt.data_card import DataCard
from attn_nmt.evaluation.generate import read_hypotheses

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeiou"]

# A model that learns to copy within 100 updates.
SMALL = shlex.split(
    "--share-all-embeddings --encoder-layers 1 --decoder-layers 1 "
    "--encoder-embed-dim 64 --decoder-embed-dim 64 "
    "--encoder-ffn-embed-dim 128 --decoder-ffn-embed-dim 128 "
    "--encoder-attention-heads 2 --decoder-attention-heads 2"
)
RECIPE = shlex.split(
    "--optimizer adam --adam-betas '(0.9, 0.98)' --lr 0.005 "
    "--lr-scheduler inverse_sqrt --warmup-updates 100 "
    "--criterion label_smoothed_cross_entropy --label-smoothing 0.1 "
    "--max-tokens 1500 --log-format simple --seed 1"
)


def copies(seed: int, pairs: int) -> Pairs:
    """Random sentences of 2 to 8 syllables, each its own translation."""
    rng = random.Random(seed)
    lines = (" ".join(rng.choices(SYLLABLES, k=rng.randint(2, 8))) for _ in range(pairs))
    return [(line, line) for line in lines]


def shared_directory(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]
) -> Path:
    """A directory that the first process of pytest-xdist to need it makes, for all of them."""
    base = factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    directory, finished = root / name, root / f"{name}.finished"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            directory.mkdir()
            make(directory)
            finished.touch()
    return directory


def run_command(
    *command: object,
    check: bool = True,
    cwd: Path = ROOT,
    stdin: str | None = None,
    threads: int = 1,
) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's directory and environment; fail on a non-zero exit status.

    One thread is much faster than two when other processes run: the two wait for each other.
    """
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": str(threads)},
    )
    if check and result.returncode:
        pytest.fail(f"{command} exited with {result.returncode}:\n{result.stderr[-3000:]}")
    return result


def refusal(main: Callable[[], None], *arguments: object) -> str:
    """Return the sentence with which a command refuses its arguments, called in this process."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(UsageError) as error:
        patch.setattr(sys, "argv", ["command", *map(str, arguments)])
        main()
    return str(error.value)


# Imports fairseq once and forks for every command, which itself imports whatever is ours.
_SERVER = """
import json, os, sys
replies = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # fairseq logs to standard output when it is imported
from fairseq_cli import train, validate, generate, interactive, hydra_train  # train's log format
for line in sys.stdin:
    command, arguments, cwd, given, output = json.loads(line)
    if pid := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=replies, flush=True)
    else:
        os.dup2(os.open(given, os.O_RDONLY), 0)
        sys.stdin = os.fdopen(0)
        os.dup2(os.open(output, os.O_WRONLY | os.O_APPEND), 1)
        os.dup2(1, 2)
        os.chdir(cwd)
        sys.argv = [command, *arguments]
        sys.exit(globals()[command].cli_main())
"""


@functools.cache
def _server() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


def fairseq(command: str, *arguments: object, check: bool = True, stdin: str = "") -> str:
    """Run one of the fairseq commands that the server imports and return its output.

    Like :func:`run_command`, but without the seconds that it takes to import PyTorch and fairseq.
    """
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with (
        tempfile.NamedTemporaryFile(encoding="utf-8", mode="w") as given,
        tempfile.NamedTemporaryFile(encoding="utf-8", mode="r") as output,
    ):
        given.write(stdin)
        given.flush()
        words = [str(argument) for argument in arguments]
        request = [command.replace("-", "_"), words, str(ROOT), given.name, output.name]
        print(json.dumps(request), file=server.stdin, flush=True)
        status = int(server.stdout.readline())
        log = output.read()
    if check and status:
        pytest.fail(f"fairseq-{command} {words} exited with {status}:\n{log[-3000:]}")
    if not check and not status:
        pytest.fail(f"fairseq-{command} {words} must fail.")
    return log


def train(
    data_bin: Path, save_dir: Path, *flags: object, arch: str = "attn_transformer_tiny"
) -> str:
    """Run fairseq-train and return its log."""
    model = ("--user-dir", "attn_nmt", "--arch", arch, *SMALL, *RECIPE)
    return fairseq("train", data_bin, *model, "--save-dir", save_dir, *flags)


def validate(data_bin: Path, checkpoint: Path) -> str:
    """Run fairseq-validate and return its log."""
    # It knows no default task.
    flags = shlex.split("--user-dir attn_nmt --task translation --max-tokens 2000")
    return fairseq("validate", data_bin, *flags, "--path", checkpoint)


def translate(data_bin: Path, save_dir: Path) -> list[str]:
    """Translate the test set with the last checkpoint by fairseq-generate."""
    flags = shlex.split(
        "--user-dir attn_nmt --beam 4 --lenpen 0.6 --max-tokens 8000 --post-process subword_nmt"
    )
    path = ("--path", save_dir / "checkpoint_last.pt", "--results-path", save_dir)
    fairseq("generate", data_bin, *flags, *path)
    references = DataCard.raw_file(data_bin.parent, "test", "de").read_text().splitlines()
    return read_hypotheses(save_dir / "generate-test.txt", sentences=len(references))


def logged(log: str, field: str, kind: str) -> list[float]:
    """Return the values of a field in the lines of one kind, such as loss in train_inner."""
    lines = [line for line in log.splitlines() if f"| {kind} |" in line]
    return [float(re.search(rf"\b{field}[= ]([\d.]+)", line)[1]) for line in lines]  # type: ignore[index]
