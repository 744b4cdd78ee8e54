"""What the results of a grid depend on, and warnings where they cannot simply be compared."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attn_nmt.study.flags import arch_of_size, as_command_line
from attn_nmt.study.model_costs import PAPER_SIZE
from attn_nmt.study.reporting.results import GridResults, SeedResult
from attn_nmt.study.reporting.seed_tests import SeedTest
from attn_nmt.study.tables import Row

_CORPUS = "corpus"
"""The setting that says whether a part of the known corpus was left out."""
_WHOLE_CORPUS = "as the data card names it"
"""Its value if nothing was."""
_PAPER_CORPUS = "wmt14"
_UNKNOWN = "unknown"
_MAX_NAMED_RUNS = 3
"""More runs than this are counted instead of named."""
_TRAIN_WORDS = 6
"""Words of a training command before its flags: python -m MODULE ARCH DATA_BIN SAVE_DIR."""
_LONG_CARD_ENTRIES = ("files", "tools", "subset")


@dataclass(frozen=True)
class Setting:
    """One thing that results depend on."""

    name: str
    values: dict[str, list[SeedResult]]
    """The runs with each value as text, the most common value first."""
    affects_scores: bool
    """Whether scores with different values cannot be compared."""

    @property
    def description(self) -> list[str]:
        """Each value, with the runs that have it if there are several values."""
        if len(self.values) == 1:
            return list(self.values)
        (usual, most), *rest = self.values.items()
        who = _labels(most) if len(most) <= _MAX_NAMED_RUNS else f"{len(most)} runs"
        return [f"{usual} ({who})", *(f"{text} ({_labels(runs)})" for text, runs in rest)]


def read_settings(grid: GridResults) -> list[Setting]:
    """Return every setting of the finished runs; nothing if there are none."""
    if not grid.finished:
        return []
    settings = []
    for name, (read, affects_scores) in _READERS.items():
        values: dict[str, list[SeedResult]] = {}
        for cell in grid.cells:
            for run in cell.finished:
                values.setdefault(read(run), []).append(run)
        by_frequency = dict(sorted(values.items(), key=lambda pair: -len(pair[1])))
        settings.append(Setting(name, by_frequency, affects_scores))
    return settings


def unusual_settings(settings: Sequence[Setting], run: SeedResult) -> list[str]:
    """Return the settings that affect scores and in which a run differs from most runs."""
    return [
        setting.name
        for setting in settings
        if setting.affects_scores and any(run in runs for runs in list(setting.values.values())[1:])
    ]


def grid_warnings(
    grid: GridResults,
    settings: Sequence[Setting],
    tests: Mapping[str, Sequence[SeedTest]],
    rows: Sequence[Row],
) -> list[str]:
    """Return what a reader must know before comparing numbers, as sentences of plain text.

    Args:
        grid: its results.
        settings: what ``read_settings`` returned for it.
        tests: those of each cell that has a baseline, by its name.
        rows: those of the table.
    """
    return [
        *_partial_corpora(settings),
        *_differing_settings(settings),
        *_missing_p_values(tests),
        *_unlike_paper(grid, rows),
    ]


def _partial_corpora(settings: Sequence[Setting]) -> list[str]:
    return [
        f"The scores of {_labels(runs)} cannot be compared with other people's: {text}."
        for setting in settings
        if setting.name == _CORPUS
        for text, runs in setting.values.items()
        if text != _WHOLE_CORPUS
    ]


def _differing_settings(settings: Sequence[Setting]) -> list[str]:
    return [
        f"The runs differ in {setting.name}: {' against '.join(setting.description)}."
        for setting in settings
        if len(setting.values) > 1
    ]


def _missing_p_values(tests: Mapping[str, Sequence[SeedTest]]) -> list[str]:
    by_problem: dict[str, list[str]] = {}
    for cell, cell_tests in tests.items():
        for test in cell_tests:
            if test.problem is not None:
                by_problem.setdefault(test.problem, []).append(f"{cell} seed {test.seed}")
    return [
        f"There is no p-value for {'; '.join(cells)}: {problem}"
        for problem, cells in by_problem.items()
    ]


def _unlike_paper(grid: GridResults, rows: Sequence[Row]) -> list[str]:
    if all(row["paper_bleu"] is None for row in rows):
        return []
    models = {(str(_result(run)["arch"]), _corpus_name(run)) for run in grid.finished}
    unlike = sorted(models - {(arch_of_size(PAPER_SIZE), _PAPER_CORPUS)})
    if not unlike:
        return []
    described = ", ".join(f"{arch} on the corpus {corpus}" for arch, corpus in unlike)
    return [
        "The paper's BLEU is that of Transformer-base on WMT14 English-German, newstest2014. "
        f"These results are of {described}: compare the order of the models, not the numbers."
    ]


def _corpus_name(run: SeedResult) -> str:
    card = run.environment.get("data_card")
    return str(card.get("corpus", _UNKNOWN)) if isinstance(card, dict) else _UNKNOWN


def _labels(runs: Sequence[SeedResult]) -> str:
    """Return runs in words, such as ``1111 seeds 1, 2; 0110 seed 1``."""
    by_cell: dict[str, list[str]] = {}
    for run in runs:
        by_cell.setdefault(run.cell, []).append(str(run.seed))
    return "; ".join(
        f"{cell} seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"
        for cell, seeds in by_cell.items()
    )


def _result(run: SeedResult) -> dict[str, Any]:
    assert run.result is not None
    return run.result


def _training_flags(run: SeedResult) -> str:
    """Return the flags of the training without those that define the cell."""
    result = _result(run)
    flags = {**result["flags"], **result["train_flags"]}
    words = [str(word) for word in result["train"]]
    grid_words = as_command_line(flags)
    end = _TRAIN_WORDS + len(grid_words)
    start = end if words[_TRAIN_WORDS:end] == grid_words else _TRAIN_WORDS
    train_flags = words[start:-2]  # the seed is the last flag
    common = as_command_line(
        {name: value for name, value in flags.items() if name not in result["varied"]}
    )
    return shlex.join([*common, *train_flags]) or "none"


def _data(run: SeedResult) -> str:
    card = run.environment.get("data_card")
    if not isinstance(card, dict):
        return _UNKNOWN
    entries = [
        f"{name} {_flattened(value)}"
        for name, value in card.items()
        if name not in _LONG_CARD_ENTRIES
    ]
    # Two corpora may look alike in all of this.
    files = json.dumps(card.get("files"), sort_keys=True).encode()
    return "; ".join([*entries, f"files {hashlib.sha256(files).hexdigest()[:12]}"])


def _flattened(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_flattened(part)}" for name, part in value.items())
    if isinstance(value, list):
        return " ".join(_flattened(part) for part in value if not _is_checksum(part))
    return str(value)


def _is_checksum(part: Any) -> bool:
    """Whether this is a SHA-256, as options have beside names of files; "files" stands for all."""
    return isinstance(part, str) and re.fullmatch("[0-9a-f]{64}", part) is not None


def _part_of_corpus(run: SeedResult) -> str:
    """Return which files are not the known ones, with their lines, as ``evaluate`` labels it."""
    subset = _result(run)["scores"].get("subset")
    if not subset:
        return _WHOLE_CORPUS
    return "not the known corpus, lines of each file: " + ", ".join(
        f"{name} {' of '.join(map(str, counts))}" for name, counts in subset.items()
    )


def _scored(run: SeedResult) -> str:
    result = _result(run)
    if result["averaged"]:
        return f"the mean of the last {len(result['checkpoints'])} checkpoints"
    return ", ".join(map(str, result["checkpoints"]))


def _code(run: SeedResult) -> str:
    version = f"attn_nmt {run.environment.get('attn_nmt', _UNKNOWN)}"
    git = run.environment.get("git")
    if not isinstance(git, dict):
        return version
    changes = ", with uncommitted changes" if git.get("changed") else ""
    return f"{version}, commit {git.get('commit')}{changes}"


def _versions(run: SeedResult) -> str:
    packages = run.environment.get("packages")
    versions = {"python": run.environment.get("python", _UNKNOWN)}
    versions |= packages if isinstance(packages, dict) else {}
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _device(run: SeedResult) -> str:
    processor = run.environment.get("processor", "processor unknown")  # to old versions
    return f"{run.environment.get('device', _UNKNOWN)}, {processor}"


_READERS: dict[str, tuple[Callable[[SeedResult], str], bool]] = {
    "--arch": (lambda run: str(_result(run)["arch"]), True),
    "flags": (_training_flags, True),
    "updates": (lambda run: f"{_result(run)['updates']:,}", True),
    "data": (lambda run: _data(run), True),
    _CORPUS: (lambda run: _part_of_corpus(run), True),
    "test sentences": (lambda run: str(_result(run)["scores"]["sentences"]), True),
    "scored checkpoints": (lambda run: _scored(run), True),
    "BLEU signature": (lambda run: str(_result(run)["scores"]["bleu_signature"]), True),
    "tokens for the costs": (lambda run: f"{_result(run)['length']} per side", True),
    "device": (lambda run: _device(run), False),
    "code": (lambda run: _code(run), False),
    "versions": (lambda run: _versions(run), False),
}
"""Each setting: how to read it from a run, and whether it affects scores."""
