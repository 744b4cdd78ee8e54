"""What the results of a grid are of, and where that is not the same for all of them."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from attn_nmt.study.flags import as_command_line
from attn_nmt.study.reporting.found import FoundCell, FoundGrid, FoundRun

CORPUS = "corpus"
"""The setting that says whether a part of the known corpus was left out."""
WHOLE = "as the data card names it"
"""Its value where nothing was."""
_UNKNOWN = "unknown"
_MANY = 4
"""Runs that are counted, not named."""
_TRAIN_WORDS = 6
"""Words of a training command before its flags: python -m MODULE ARCH DATA_BIN SAVE_DIR."""
_LONG = ("files", "tools", "subset")


@dataclass(frozen=True)
class Setting:
    """One thing that results depend on."""

    name: str
    values: dict[str, list[FoundRun]]
    """The runs of each value as text, that of most runs first."""
    moves_scores: bool
    """Whether scores of different values cannot be compared."""


def settings(grid: FoundGrid) -> list[Setting]:
    """Return every setting of the finished runs; nothing if there are none."""
    return [
        Setting(name, _values(grid, read), moves_scores)
        for name, (read, moves_scores) in _READERS.items()
        if grid.finished
    ]


def others(found: Sequence[Setting], run: FoundRun) -> list[str]:
    """Return the settings that move scores in which a run is unlike most runs."""
    return [
        setting.name
        for setting in found
        if setting.moves_scores and any(run in runs for runs in list(setting.values.values())[1:])
    ]


def told(setting: Setting) -> list[str]:
    """Return each value of a setting, and which runs have it if not all have the same."""
    if len(setting.values) == 1:
        return list(setting.values)
    (usual, most), *rest = setting.values.items()
    who = labels(most) if len(most) < _MANY else f"{len(most)} runs"
    return [f"{usual} ({who})", *(f"{text} ({labels(runs)})" for text, runs in rest)]


def labels(runs: Sequence[FoundRun]) -> str:
    """Return runs in words, such as ``1111 seeds 1, 2; 0110 seed 1``."""
    by_cell: dict[str, list[str]] = {}
    for run in runs:
        by_cell.setdefault(run.cell, []).append(str(run.seed))
    return "; ".join(
        f"{cell} seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"
        for cell, seeds in by_cell.items()
    )


def _part_of_corpus(run: FoundRun) -> str:
    """Return which files are not the known ones, with their lines, as ``evaluate`` labels it."""
    assert run.result is not None
    subset = run.result["scores"].get("subset")
    if not subset:
        return WHOLE
    return "not the known corpus, lines of each file: " + ", ".join(
        f"{name} {' of '.join(map(str, counts))}" for name, counts in subset.items()
    )


def _values(grid: FoundGrid, read: Callable[[FoundCell, FoundRun], str]) -> dict[str, Any]:
    found: dict[str, list[FoundRun]] = {}
    for cell in grid.cells:
        for run in cell.finished:
            found.setdefault(read(cell, run), []).append(run)
    return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))


def _result(run: FoundRun) -> dict[str, Any]:
    assert run.result is not None
    return run.result


def _data(run: FoundRun) -> str:
    card = run.environment.get("data_card")
    if not isinstance(card, dict):
        return _UNKNOWN
    told = [f"{name} {_flat(value)}" for name, value in card.items() if name not in _LONG]
    # Two corpora may look alike in all of this.
    files = json.dumps(card.get("files"), sort_keys=True).encode()
    return "; ".join([*told, f"files {hashlib.sha256(files).hexdigest()[:12]}"])


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={part}" for name, part in value.items())
    return str(value)


def _training(cell: FoundCell, run: FoundRun) -> str:
    """Return the flags of the training without those that make the cell."""
    found = _result(run)
    words = [str(word) for word in found["train"]]
    model_flags = as_command_line(found["flags"])
    end = _TRAIN_WORDS + len(model_flags)
    start = end if words[_TRAIN_WORDS:end] == model_flags else _TRAIN_WORDS
    given = words[start:-2]  # the seed stands last
    return shlex.join([*as_command_line(_on_top(cell, found["flags"])), *given]) or "none"


def _on_top(cell: FoundCell, flags: dict[str, Any]) -> dict[str, Any]:
    if cell.flags is not None:
        return {name: value for name, value in flags.items() if name not in cell.flags}
    # The name of a cell of a user's grid says what makes it.
    return {name: value for name, value in flags.items() if f"{name}={value}" not in cell.name}


def _scored(run: FoundRun) -> str:
    found = _result(run)
    if found["averaged"]:
        return f"the mean of the last {len(found['checkpoints'])} checkpoints"
    return ", ".join(map(str, found["checkpoints"]))


def _code(run: FoundRun) -> str:
    version = f"attn_nmt {run.environment.get('attn_nmt', _UNKNOWN)}"
    git = run.environment.get("git")
    if not isinstance(git, dict):
        return version
    return f"{version}, commit {git.get('commit')}{', changed since' * bool(git.get('changed'))}"


def _versions(run: FoundRun) -> str:
    packages = run.environment.get("packages")
    told = {"python": run.environment.get("python", _UNKNOWN)}
    told |= packages if isinstance(packages, dict) else {}
    return ", ".join(f"{name} {version}" for name, version in told.items())


_READERS: dict[str, tuple[Callable[[FoundCell, FoundRun], str], bool]] = {
    "--arch": (lambda cell, run: str(_result(run)["arch"]), True),
    "flags": (_training, True),
    "updates": (lambda cell, run: f"{_result(run)['updates']:,}", True),
    "data": (lambda cell, run: _data(run), True),
    CORPUS: (lambda cell, run: _part_of_corpus(run), True),
    "test sentences": (lambda cell, run: str(_result(run)["scores"]["sentences"]), True),
    "scored": (lambda cell, run: _scored(run), True),
    "BLEU signature": (lambda cell, run: str(_result(run)["scores"]["bleu_signature"]), True),
    "tokens for the costs": (lambda cell, run: f"{_result(run)['length']} a side", True),
    "device": (lambda cell, run: str(run.environment.get("device", _UNKNOWN)), False),
    "code": (lambda cell, run: _code(run), False),
    "versions": (lambda cell, run: _versions(run), False),
}
