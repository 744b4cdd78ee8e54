"""Translations to compare: of runs, of one evaluation, or any files of plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from attn_nmt.checkpoints import find_checkpoint, load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.study.running.cell_files import read_result

_SYSTEM = "SYSTEM must be the folder of a run or a file of plain text"
_EVALUATION = re.compile(r"evaluation-(.+?)(-average\d+)?")


@dataclass(frozen=True)
class System:
    """What one system translated."""

    name: str
    """As it was named on the command line."""
    hypotheses: list[str]
    reference: Path | None
    """The raw text that belongs to it; None of a file whose origin is unknown."""


def find_system(name: str) -> System:
    """Return a system by its run, its evaluation-SPLIT, or its file of plain text.

    Raises:
        UsageError: if it is none of these, or which of several evaluations is meant is unclear.
    """
    path = Path(name)
    if not path.is_dir():
        return System(name, read_lines(path, _SYSTEM), None)
    match = _EVALUATION.fullmatch(path.resolve().name)
    evaluation = path if match else _evaluation_of(path)
    (hypotheses,) = _hypotheses(evaluation)
    return System(name, read_lines(hypotheses, _SYSTEM), _reference(evaluation.resolve()))


def common_reference(systems: Sequence[System]) -> Path:
    """Return the raw reference of all systems that have one.

    Raises:
        UsageError: if none has one, it is missing, or two differ.
    """
    found = [system for system in systems if system.reference is not None]
    if not found:
        raise UsageError("--reference must be given for files of plain text, but is not.")
    texts = {
        system.name: read_lines(_path(system), "The reference must be a file of plain text")
        for system in found
    }
    first = found[0]
    for name, text in texts.items():
        if text != texts[first.name]:
            raise UsageError(
                f"All systems must be of one test set, but {name} has another reference than "
                f"{first.name}."
            )
    return _path(first)


def read_lines(path: Path, rule: str) -> list[str]:
    """Return the lines of a file of plain text in UTF-8.

    Raises:
        UsageError: if it is none, with the rule that says so.
    """
    if not path.is_file():
        raise UsageError(f"{rule}, but {path} is none.")
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise UsageError(f"{rule}, but {path} is not in UTF-8.") from None


def _path(system: System) -> Path:
    assert system.reference is not None
    return system.reference


def _evaluation_of(run: Path) -> Path:
    """Return the evaluation that finished the run, or the only one there is."""
    result = read_result(run)
    if result is not None:
        return run / str(result["evaluation"])
    found = [path for path in sorted(run.glob("evaluation-*")) if _hypotheses(path, check=False)]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise UsageError(f"{run} must hold one evaluation, or one be named, but holds {names}.")
    return found[0]


def _hypotheses(evaluation: Path, *, check: bool = True) -> list[Path]:
    found = list(evaluation.glob("hypotheses.*"))
    if check and len(found) != 1:
        raise UsageError(f"{evaluation} must hold one hypotheses.LANG, but holds {len(found)}.")
    return found


def _reference(evaluation: Path) -> Path | None:
    """Return the raw reference of an evaluation, by the data card of its run."""
    result, match = read_result(evaluation.parent), _EVALUATION.fullmatch(evaluation.name)
    assert match is not None
    if result is not None:
        data_bin = Path(result["data_bin"])
    else:
        state = load_checkpoint(find_checkpoint(evaluation.parent))
        data_bin = Path(state["cfg"]["task"]["data"])
    corpus = data_bin.resolve().parent
    return DataCard.raw_file(corpus, match[1], DataCard.read(corpus).target_lang)
