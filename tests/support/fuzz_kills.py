"""Commands that are killed and started again end as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.data_card import sha256
from support.commandline import BIN, RECIPE, ROOT, SMALL

Words = Sequence[object]


@dataclass(frozen=True)
class Case:
    """A command, what it needs, and what it makes."""

    command: Callable[[Path], Words]
    """From the directory to work in."""
    outcome: Callable[[Path], object]
    """What must be the same with and without kills."""
    inputs: tuple[str, ...] = ()
    """Names of files and directories that earlier cases made."""


def _prepare(work: Path) -> Words:
    flags = ("--train-pairs", 3000, "--bpe-merges", 200, "--workers", 2)
    return ("bash", "data_prep/prepare_cldr_en2de.sh", work / "corpus", *flags)


def _train(work: Path) -> Words:
    flags = (*SMALL, *RECIPE, "--max-update", 30, "--save-interval-updates", 5, "--cpu")
    arch = "attn_transformer_tiny"
    return ("bash", "scripts/train.sh", arch, work / "corpus/data-bin", work / "run", *flags)


def _average(work: Path) -> Words:
    flags = ("--output", work / "run" / "mean.pt", "--last-updates", 3, work / "run")
    return ("python", "scripts/average_checkpoints.py", *flags)


def _evaluate(work: Path) -> Words:
    return ("bash", "scripts/evaluate.sh", work / "run", work / "corpus/data-bin", "--beam", 2)


def _study(work: Path) -> Words:
    grid = work / "grid.yaml"
    grid.write_text("vary: {encoder_layers: [1]}\n")
    plan = (grid, "--size", "tiny", "--data-bin", work / "corpus/data-bin", "--out", work / "study")
    flags = ("--max-update", 20, "--save-interval-updates", 5, "--max-tokens", 1500, "--cpu")
    return ("python", "-m", "attn_nmt.study", "run", *plan, *flags)


def _files(directory: Path) -> dict[str, str]:
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): sha256(path) for path in paths}


def _weights(path: Path) -> list[object]:
    """Return everything that training continues from."""
    state = load_checkpoint(path)
    optimizer = state.get("last_optimizer_state") or {"state": {}}
    moments = [
        value.tolist()
        for entry in optimizer["state"].values()
        for value in entry.values()
        if isinstance(value, torch.Tensor)
    ]
    weights = [tensor.tolist() for tensor in state["model"].values()]
    return [state["optimizer_history"][-1]["num_updates"], weights, moments]


def _scores(directory: Path) -> list[str]:
    return [(directory / name).read_text() for name in ("hypotheses.de", "scores.json")]


def _leftovers(work: Path) -> list[Path]:
    """Return what killed commands left behind, besides the lock of a directory."""
    names = (".corpus.partial", ".evaluation-*", ".*.pt.*")
    return [path for name in names for path in work.rglob(name)]


CASES = {
    "prepare": Case(_prepare, lambda work: _files(work / "corpus")),
    "train": Case(_train, lambda work: _weights(work / "run/checkpoint_last.pt"), ("corpus",)),
    "average": Case(_average, lambda work: _weights(work / "run/mean.pt"), ("corpus", "run")),
    "evaluate": Case(
        _evaluate, lambda work: _scores(work / "run/evaluation-test"), ("corpus", "run")
    ),
    "study": Case(
        _study,
        lambda work: (
            _weights(next(work.glob("study/**/checkpoint_last.pt"))),
            [_scores(path.parent) for path in work.glob("study/**/scores.json")],
        ),
        ("corpus",),
    ),
}
"""In the order in which each finds its inputs."""


def run(words: Words, log: Path, kill_after: float | None = None) -> float:
    """Run a command, or kill it after that many seconds; return the seconds that it took.

    Raises:
        AssertionError: if it fails by itself.
    """
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    start = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        )
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = process.wait(kill_after)
        assert code == 0, f"{words[:3]} exited with {code}; see {log}"
        return time.monotonic() - start
    process.send_signal(signal.SIGKILL)
    process.wait()
    return time.monotonic() - start


class KillRunner:
    """Undisturbed runs of all cases in a directory, and disturbed ones to compare with them."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.whole = directory, directory / "whole"
        self.whole.mkdir(parents=True)
        self.seconds: dict[str, float] = {}
        self.outcomes: dict[str, object] = {}
        for name, case in CASES.items():
            words = case.command(self.whole)
            self.seconds[name] = run(words, directory / f"{name}.log")
            self.outcomes[name] = case.outcome(self.whole)

    def disturb(self, name: str, seed: int) -> int:
        """Kill a command up to three times, let it finish, and return the number of kills.

        Raises:
            AssertionError: if it cannot finish, or ends otherwise than undisturbed.
        """
        case, rng = CASES[name], random.Random(f"{name} {seed}")
        work, log = self.directory / f"{name}-{seed}", self.directory / f"{name}-{seed}.log"
        work.mkdir()
        for entry in case.inputs:
            # The data card and the checkpoints name no path that matters here.
            shutil.copytree(self.whole / entry, work / entry)
        made = work / "run"
        if name == "average":
            (made / "mean.pt").unlink()
        if name == "evaluate":
            shutil.rmtree(made / "evaluation-test")
        kills = 0
        for _ in range(rng.randint(1, 3)):
            limit = rng.uniform(0.1, 1.0) * self.seconds[name]
            kills += run(case.command(work), log, kill_after=limit) >= limit
        run(case.command(work), log)
        assert case.outcome(work) == self.outcomes[name], f"{name} {seed} differs"
        assert not _leftovers(work), f"{name} {seed} left {_leftovers(work)}"
        shutil.rmtree(work)
        return kills
