"""Whether systems differ by more than chance: sacreBLEU's own paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from attn_nmt.command_line import UsageError
from attn_nmt.study.comparing.systems import System
from attn_nmt.study.tables import Row

TESTS = {"bs": 1000, "ar": 10_000}
"""Paired bootstrap and approximate randomisation, with the samples that sacreBLEU draws."""
LEVEL = 0.05
_INTERVAL_SAMPLES = 1000


def compare(
    systems: Sequence[System], references: list[str], test: str, samples: int | None = None
) -> list[Row]:
    """Return a row a system, each but the first with its p-value against the first.

    The interval holds 95 % of the scores of bootstrap samples. ``SACREBLEU_SEED`` in the
    environment sets another seed than sacreBLEU's.

    Raises:
        UsageError: if a system has more or fewer lines than there are references.
    """
    for system in systems:
        if len(system.hypotheses) != len(references):
            raise UsageError(
                f"{system.name} must have a line for each of the {len(references)} references, "
                f"but has {len(system.hypotheses)}."
            )
    signatures, scores = PairedTest(
        [(system.name, system.hypotheses) for system in systems],
        {"BLEU": BLEU()},
        [references],
        test_type=test,
        n_samples=samples or TESTS[test],
        n_ar_confidence=_INTERVAL_SAMPLES if test == "ar" else -1,
    )()
    signature = str(signatures["BLEU"])
    return [
        _row(system, found, _p_value(systems[0], system, found), signature)
        for system, found in zip(systems, scores["BLEU"], strict=True)
    ]


def _row(system: System, found: Any, p_value: float | None, signature: str) -> Row:
    return {
        "system": system.name,
        "bleu": float(found.score),
        "mean": float(found.mean),
        "interval": float(found.ci),
        "p_value": p_value,
        "significant": None if p_value is None else p_value < LEVEL,
        "signature": signature,
    }


def _p_value(first: System, system: System, found: Any) -> float | None:
    if system is first:
        return None
    # sacreBLEU counts differences larger than the one found: between equal systems there is none,
    # which would make them differ with the smallest p there is.
    if [line.split() for line in system.hypotheses] == [line.split() for line in first.hypotheses]:
        return 1.0
    return float(found.p_value)
