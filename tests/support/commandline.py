"""Running the commands, in processes of their own or in this one, and what they work on."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.data.lines import Pairs
from attn_nmt.data_card import DataCard
from attn_nmt.evaluation.generate import read_hypotheses
from support import preloaded as preloading

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
            shutil.rmtree(directory, ignore_errors=True)  # of a process that failed
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
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=_environment(threads),
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


@functools.cache
def _preloaded() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, preloading.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**_environment(), "PYTHONPATH": str(ROOT)},
    )


def _environment(threads: int = 1) -> dict[str, str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": str(threads)}


def _run_preloaded(
    words: Sequence[object], cwd: Path, stdin: str | None, joined: bool
) -> subprocess.CompletedProcess[str]:
    server = _preloaded()
    assert server.stdin is not None
    assert server.stdout is not None
    with (
        tempfile.NamedTemporaryFile("w", encoding="utf-8") as given,
        tempfile.NamedTemporaryFile("r", encoding="utf-8") as output,
        tempfile.NamedTemporaryFile("r", encoding="utf-8") as errors,
    ):
        given.write(stdin or "")
        given.flush()
        request = {
            "words": [str(word) for word in words],
            "cwd": str(cwd),
            "env": _environment(),
            "stdin": given.name,
            "stdout": output.name,
            "stderr": output.name if joined else errors.name,
        }
        print(json.dumps(request), file=server.stdin, flush=True)
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(words, status, output.read(), errors.read())


def run_attn_nmt(
    *words: object, check: bool = True, cwd: Path = ROOT, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``attn-nmt`` in a fork, as :mod:`support.preloaded` does; fail as ``run_command``."""
    result = _run_preloaded(("-m", "attn_nmt", *words), cwd, stdin, joined=False)
    if check and result.returncode:
        pytest.fail(f"attn-nmt {words} exited with {result.returncode}:\n{result.stderr[-3000:]}")
    return result


def fairseq(
    command: str,
    *arguments: object,
    check: bool = True,
    cwd: Path = ROOT,
    stdin: str | None = None,
) -> str:
    """Run one of fairseq's commands in a fork, as :mod:`support.preloaded` does; return its output.

    With ``check`` it must succeed, and without fail.
    """
    words = (f"fairseq-{command}", *arguments)
    result = _run_preloaded(words, cwd, stdin, joined=True)
    if check and result.returncode:
        pytest.fail(f"{words} exited with {result.returncode}:\n{result.stdout[-3000:]}")
    if not check and not result.returncode:
        pytest.fail(f"{words} must fail.")
    return result.stdout


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
