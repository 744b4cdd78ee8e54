"""Running the real commands on a copy task; the fixtures are in ``commands/conftest.py``."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.text import Pairs

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeiou"]

# A model that learns to copy within 100 updates.
SMALL = (
    "--share-all-embeddings",
    "--encoder-layers",
    "1",
    "--decoder-layers",
    "1",
    "--encoder-embed-dim",
    "64",
    "--decoder-embed-dim",
    "64",
    "--encoder-ffn-embed-dim",
    "128",
    "--decoder-ffn-embed-dim",
    "128",
    "--encoder-attention-heads",
    "2",
    "--decoder-attention-heads",
    "2",
)
RECIPE = (
    "--optimizer",
    "adam",
    "--adam-betas",
    "(0.9, 0.98)",
    "--lr",
    "0.005",
    "--lr-scheduler",
    "inverse_sqrt",
    "--warmup-updates",
    "100",
    "--criterion",
    "label_smoothed_cross_entropy",
    "--label-smoothing",
    "0.1",
    "--max-tokens",
    "1500",
    "--log-format",
    "simple",
    "--seed",
    "1",
)


def copies(seed: int, pairs: int) -> Pairs:
    """Random sentences of 2 to 8 syllables, each its own translation."""
    rng = random.Random(seed)
    lines = (" ".join(rng.choices(SYLLABLES, k=rng.randint(2, 8))) for _ in range(pairs))
    return [(line, line) for line in lines]


def run_command(
    *command: object,
    check: bool = True,
    cwd: Path = ROOT,
    stdin: str | None = None,
    threads: int = 1,
) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder, in its environment; fail on a non-zero exit.

    One thread is much faster than two where other work runs beside it: two wait for each other.
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
        pytest.fail(f"{command} left with {result.returncode}:\n{result.stderr[-3000:]}")
    return result


def train(
    data_bin: Path,
    save_dir: Path,
    *flags: object,
    user_dir: object = "attn_nmt",
    arch: str = "attn_transformer_tiny",
    threads: int = 1,
) -> str:
    """Run fairseq-train and return its log."""
    model = ("--user-dir", user_dir, "--arch", arch, *SMALL, *RECIPE)
    command = ("fairseq-train", data_bin, *model, "--save-dir", save_dir, *flags)
    result = run_command(*command, threads=threads)
    return result.stdout + result.stderr


def logged(log: str, field: str, kind: str) -> list[float]:
    """Return the values of a field in the lines of one kind, such as loss in train_inner."""
    lines = [line for line in log.splitlines() if f"| {kind} |" in line]
    return [float(re.search(rf"\b{field}[= ]([\d.]+)", line)[1]) for line in lines]  # type: ignore[index]
