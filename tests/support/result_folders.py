"""Directories as ``study run`` leaves them, without any training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sacrebleu.metrics.bleu import BLEU

from support.translations import write

SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"
LOG = """\
2026 | INFO | train_inner | epoch 001:  20 / 99 loss=9.5, nll_loss=9, wps=100, num_updates=20, lr=1
2026 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 8.25 | nll_loss 8 | num_updates 40
"""
CARD = {"corpus": "copy", "lines": {"train": 10}, "files": {"raw/test.de": "1"}, "subset": {}}
ENVIRONMENT = {
    "python": "3.11.7",
    "attn_nmt": "0.1.0",
    "packages": {"torch": "2.13.0"},
    "device": "two cores",
    "git": {"commit": "0123abc", "changed": False},
    "data_card": CARD,
}

SPEED = {
    **{"processor": "x", "threads": 1, "rounds": 3, "size": "tiny", "vocabulary": 8},
    **{"tokens": 9, "sentences": 2, "beam": 1, "baseline": "a", "times": {}},
}
"""Of ``study speed``."""


def finished(
    grid: Path,
    cell: str,
    seed: int = 1,
    bleu: float = 20.0,
    *,
    data_bin: Path = Path("corpus/data-bin"),
    environment: dict[str, Any] | None = None,
    scores: dict[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Write a finished run; ``changes`` are those of its result."""
    folder = started(grid, cell, seed)
    flags = changes.get("flags", {})
    train = ["python", "-m", "attn_nmt.training", "attn_transformer_tiny"]
    train += [str(data_bin), str(folder)]
    for name, value in {**flags, **changes.get("train_flags", {})}.items():
        train += ["--" + name.replace("_", "-"), str(value)]
    train += ["--lr", "0.1", "--seed", str(seed)]
    result = {
        "cell": cell,
        "seed": seed,
        "arch": "attn_transformer_tiny",
        "flags": flags,
        "varied": [],
        "data_bin": str(data_bin),
        "train": train,
        "evaluate": [],
        "averaged": True,
        "checkpoints": ["a.pt", "b.pt"],
        "evaluation": "evaluation-test-average2",
        "scores": {
            "bleu": bleu,
            "bleu_signature": SIGNATURE,
            "bleu_tokenized": bleu,
            "bleu_compound_split": bleu + 1,
            "chrf": 50.0,
            "chrf_signature": "chrf",
            "sentences": 60,
            **(scores or {}),
        },
        "length": 50,
        "gmacs": 0.05,
        "parameters": 1000,
        "updates": 100,
        "tokens_per_second": 500.0,
        **changes,
    }
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "environment.json").write_text(json.dumps({**ENVIRONMENT, **(environment or {})}))
    return folder


def started(grid: Path, cell: str, seed: int = 1, *, failure: str | None = None) -> Path:
    """Write a run without a result."""
    folder = grid / cell / f"seed{seed}"
    folder.mkdir(parents=True)
    (folder / "train.log").write_text(LOG)
    if failure is not None:
        (folder / "failure.txt").write_text(failure)
    return folder


def translated(
    grid: Path, cell: str, seed: int, corpus: Path, lines: list[str], references: Sequence[str]
) -> Path:
    """Write a finished run with its translations, whose BLEU is that of its result."""
    bleu = round(BLEU().corpus_score(lines, [references]).score, 2)
    folder = finished(grid, cell, seed, bleu, data_bin=corpus / "data-bin")
    write(folder / "evaluation-test-average2" / "hypotheses.de", lines)
    write(folder / "evaluation-test-average2" / "scores.json", [json.dumps({"bleu": bleu})])
    return folder
