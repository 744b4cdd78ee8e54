"""Whether systems differ in BLEU by more than chance: sacreBLEU's paired tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from attn_nmt.checkpoints import find_checkpoint, load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.study.running.run_directory import read_result
from attn_nmt.study.tables import Row

TESTS = {"bs": 1000, "ar": 10_000}
"""Paired bootstrap and approximate randomisation, with sacreBLEU's numbers of samples. The p of the
first is of one side, that of the second of both."""
LEVEL = 0.05
_INTERVAL_SAMPLES = 1000
_SYSTEM_RULE = "SYSTEM must be the directory of a run or a file of plain text"
_EVALUATION = re.compile(r"evaluation-(\w+)(-.+)?")
"""The split, and what else tells one evaluation from another."""


@dataclass(frozen=True)
class System:
    """The translations of one system."""

    name: str
    """As given on the command line."""
    hypotheses: list[str]
    reference: Path | None
    """The raw reference of the data; None for a plain file, whose data are unknown."""


def compare(
    systems: Sequence[System], references: list[str], test: str, samples: int | None = None
) -> list[Row]:
    """Return one row per system; each but the first has a p-value against the first.

    95 % of the scores of bootstrap samples lie within the interval. ``SACREBLEU_SEED`` in the
    environment overrides sacreBLEU's seed.

    Raises:
        UsageError: if a system does not have as many lines as there are references.
    """
    for system in systems:
        if len(system.hypotheses) != len(references):
            raise UsageError(
                f"{system.name} must have a line for each of the {len(references)} references, "
                f"but has {len(system.hypotheses)}."
            )
    signatures, results = PairedTest(
        [(system.name, system.hypotheses) for system in systems],
        {"BLEU": BLEU()},
        [references],
        test_type=test,
        n_samples=samples or TESTS[test],
        n_ar_confidence=_INTERVAL_SAMPLES if test == "ar" else -1,
    )()
    scores: list[Any] = results["BLEU"]
    rows = []
    for system, score in zip(systems, scores, strict=True):
        p_value = _p_value(systems[0], system, score)
        rows.append(
            {
                "system": system.name,
                "bleu": float(score.score),
                "mean": float(score.mean),
                "interval": float(score.ci),
                "p_value": p_value,
                "significant": None if p_value is None else p_value < LEVEL,
                "signature": str(signatures["BLEU"]),
            }
        )
    return rows


def _p_value(baseline: System, system: System, score: Any) -> float | None:
    if system is baseline:
        return None
    # sacreBLEU counts the samples whose difference is larger than the observed one. Equal systems
    # have none in any sample, which would give them the smallest possible p.
    if [line.split() for line in system.hypotheses] == [
        line.split() for line in baseline.hypotheses
    ]:
        return 1.0
    return float(score.p_value)


def find_system(name: str) -> System:
    """Return a system by the directory of its run or evaluation, or by a file of plain text.

    Raises:
        UsageError: if it is none of these, or a run has several evaluations and no result.
    """
    path = Path(name)
    if not path.is_dir():
        return System(name, read_lines(path, _SYSTEM_RULE), None)
    match = _EVALUATION.fullmatch(path.resolve().name)
    evaluation = path if match else _evaluation_of(path)
    hypotheses = list(evaluation.glob("hypotheses.*"))
    if len(hypotheses) != 1:
        raise UsageError(
            f"{evaluation} must hold one hypotheses.LANG, but holds {len(hypotheses)}."
        )
    lines = read_lines(hypotheses[0], _SYSTEM_RULE)
    return System(name, lines, _reference_of(evaluation.resolve()))


def common_reference(systems: Sequence[System]) -> Path:
    """Return the raw reference that all systems share, as far as they have one.

    Raises:
        UsageError: if none has one, a file is missing, or two references differ.
    """
    references = {
        system.name: system.reference for system in systems if system.reference is not None
    }
    if not references:
        raise UsageError("--reference must be given for files of plain text, but is not.")
    texts = {
        name: read_lines(path, "The reference must be a file of plain text")
        for name, path in references.items()
    }
    first = next(iter(references))
    for name, text in texts.items():
        if text != texts[first]:
            raise UsageError(
                f"All systems must be of one test set, but {name} has another reference than "
                f"{first}."
            )
    return references[first]


def read_lines(path: Path, rule: str) -> list[str]:
    """Return the lines of a file of plain text in UTF-8.

    Raises:
        UsageError: if it is not one; ``rule`` begins the message.
    """
    if not path.is_file():
        raise UsageError(f"{rule}, but {path} is not one.")
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise UsageError(f"{rule}, but {path} is not in UTF-8.") from None


def _evaluation_of(run: Path) -> Path:
    """Return the evaluation in the result of a run, or else its only evaluation."""
    result = read_result(run)
    if result is not None:
        return run / str(result["evaluation"])
    evaluations = [
        path for path in sorted(run.glob("evaluation-*")) if any(path.glob("hypotheses.*"))
    ]
    if len(evaluations) != 1:
        names = ", ".join(path.name for path in evaluations) or "none"
        raise UsageError(f"{run} must hold one evaluation, or one be named, but holds {names}.")
    return evaluations[0]


def _reference_of(evaluation: Path) -> Path | None:
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
