"""The directory of one run: the files that it holds beside fairseq's, and who may work in it.

- ``command.sh``: the two commands, as ``plan`` prints them
- ``environment.json``: of the last start; ``config.json``: the configuration of fairseq-train
- ``train.log``, ``evaluate.log``: the output of the commands; each start appends to it
- ``failure.txt``: why the last start failed, with the end of its log
- ``result.json``: the result; it exists once the run is finished

Beside the cells of a grid is ``grid.json``: which cells and seeds the last start planned. Each but
the logs is created atomically.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import torch

from attn_nmt.atomic import replacing
from attn_nmt.command_line import UsageError
from attn_nmt.data_card import FILE_NAME, DataCard
from attn_nmt.doctor import device, package_version, processor
from attn_nmt.study.grids.runs import IN_EVALUATE, IN_TRAIN, OR_BEST, Run
from attn_nmt.version import __version__

COMMAND, ENVIRONMENT, CONFIG = "command.sh", "environment.json", "config.json"
TRAIN_LOG, EVALUATE_LOG = "train.log", "evaluate.log"
HARMLESS_FLAGS = {
    "--log-interval": True,
    "--log-format": True,
    "--log-file": True,
    "--no-progress-bar": False,
    "--tensorboard-logdir": True,
    "--wandb-project": True,
    "--azureml-logging": False,
    "--aim-repo": True,
    "--aim-run-hash": True,
    "--num-workers": True,
    "--data-buffer-size": True,
}
"""Flags of fairseq-train that change what is logged, or how fast, but not what is trained; with
whether a value follows. A run may be resumed with others."""
FAILURE, RESULT = "failure.txt", "result.json"
PLAN = "grid.json"
SPEED = "speed.json"
"""Beside the former if ``speed`` was told to write there: what it measured."""
P_VALUES = "p_values.json"
"""Beside them in a collection: tests that were made where the corpus was at hand."""
_PACKAGES = ("fairseq-fixed", "sacrebleu", "sacremoses", "numpy", "omegaconf")
_VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "SLURM_JOB_ID")


def write_text(path: Path, text: str) -> None:
    """Create or replace a text file atomically."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Create or replace a JSON file atomically."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def read_object(path: Path) -> dict[str, Any]:
    """Return the content of one of these files.

    Raises:
        UsageError: if it is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} must be JSON, but is not: {error}.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} must be a JSON object, but is {content!r}.")
    return content


def read_result(directory: Path) -> dict[str, Any] | None:
    """Return the result of a finished run, or None.

    Raises:
        UsageError: if the file was not written by this command.
    """
    path = directory / RESULT
    if not path.is_file():
        return None
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name in ("evaluation", "data_bin"):
            result[name]
        result["scores"]["bleu"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} must be a result of a run, but is not one: {error!r}.") from error
    return result


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Lock the directory against other processes; the lock ends with the process that holds it.

    Raises:
        UsageError: if another process holds the lock.
    """
    with (directory / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{directory} must be used by one process at a time, but another one works there."
            ) from None
        yield


def in_use(directory: Path) -> bool:
    """Whether a process has locked the directory."""
    try:
        with exclusive(directory):
            return False
    except UsageError:
        return True
    except FileNotFoundError:
        return False


def command_script(run: Run) -> str:
    """Return the content of ``command.sh``."""
    return _script(run.train, run.evaluate)


def _script(train: Sequence[str], evaluate: Sequence[str]) -> str:
    return f"#!/usr/bin/env bash\n{shlex.join(train)}\n{shlex.join(evaluate)}\n"


def require_same_commands(run: Run) -> None:
    """Refuse a directory in which something else was trained.

    A result without its script is one of a collection, which names its commands; it may have had
    other directories, but not other data. The flags of ``HARMLESS_FLAGS`` may differ.

    Raises:
        UsageError: with the words or the file that differ.
    """
    path, result = run.save_dir / COMMAND, read_result(run.save_dir)
    previous = None
    if path.is_file():
        previous = path.read_text(encoding="utf-8")
    elif result is not None and {"train", "evaluate"} <= result.keys():
        train, evaluate = list(result["train"]), list(result["evaluate"])
        train[IN_TRAIN], evaluate[IN_EVALUATE] = run.train[IN_TRAIN], run.evaluate[IN_EVALUATE]
        previous = _script(train, evaluate)
        if (run.data_bin.resolve().parent / FILE_NAME).is_file():
            require_same_data(run)
    if previous is not None:
        current = command_script(run)
        if _without_harmless(previous) != _without_harmless(current):
            raise UsageError(
                f"{run.save_dir} must be resumed by the command that started it, "
                f"but {_difference(_without_harmless(previous), _without_harmless(current))}."
            )
    elif any(run.save_dir.glob("*.pt")):
        raise UsageError(
            f"{run.save_dir} must be new or have a {COMMAND}, but holds checkpoints without one."
        )


def _without_harmless(script: str) -> str:
    """Return the commands without the flags that do not matter, and without their values."""
    harmless = {**HARMLESS_FLAGS, OR_BEST: False}  # which the first versions did not write
    lines = []
    for line in script.splitlines():
        words: list[str] = []
        is_value = False
        for word in shlex.split(line):
            name, equals, _ = word.partition("=")
            if name in harmless:
                is_value = not equals and harmless[name]
            elif is_value:
                is_value = False
            else:
                words.append(word)
        lines.append(shlex.join(words))
    return "\n".join(lines)


def _difference(previous: str, current: str) -> str:
    """Return the words in which the commands differ, in the order in which they occur."""
    old_words, new_words = previous.split(), current.split()
    old: list[str] = []
    new: list[str] = []
    matcher = SequenceMatcher(None, old_words, new_words)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind != "equal":
            old += old_words[start:end]
            new += new_words[new_start:new_end]
    return f"that had {' '.join(old) or 'nothing'} where this has {' '.join(new) or 'nothing'}"


def require_same_data(run: Run) -> None:
    """Refuse to resume a run after its data have been replaced by other data.

    Raises:
        UsageError: with the first file that differs; or if there is no data card.
    """
    current = DataCard.read(run.data_bin.resolve().parent).files
    path = run.save_dir / ENVIRONMENT
    if not path.is_file():
        return
    try:
        previous = dict(read_object(path)["data_card"]["files"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} must be of `study run`, but is not: {error!r}.") from error
    for name in sorted({*previous, *current}):
        if previous.get(name) != current.get(name):
            raise UsageError(
                f"{run.save_dir} must be resumed on the data that it was started on, "
                f"but {name} has changed."
            )


def environment(data_bin: Path, overrides: dict[str, str]) -> dict[str, Any]:
    """Return the content of ``environment.json``: versions, device, code and data.

    ``overrides`` are environment variables that are set for the run only.

    Raises:
        UsageError: if there is no data card beside ``data_bin``.
    """
    variables = {**os.environ, **overrides}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "node": platform.node(),
        "attn_nmt": __version__,
        # PyTorch's own version says for which CUDA it was built; that of the package may not.
        "packages": {
            "torch": torch.__version__,
            **{name: package_version(name) for name in _PACKAGES},
        },
        "device": device(),
        "processor": processor(),
        "variables": {name: variables.get(name) for name in _VARIABLES},
        "git": git_state(Path(__file__).parent),
        "data_card": asdict(DataCard.read(data_bin.resolve().parent)),
    }


def git_state(directory: Path) -> dict[str, Any] | None:
    """Return the commit of the files in ``directory``, and whether they were changed since.

    None if they are not under version control, as in an installed package.
    """
    tracked = _git(directory, "ls-files", ".")
    commit = _git(directory, "rev-parse", "HEAD")
    if not tracked or not commit:
        return None
    return {"commit": commit, "changed": bool(_git(directory, "status", "--porcelain", "-uno"))}


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(directory), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
