"""How long a training will take: an estimate from its multiply-adds and a rate of the machine.

Both sides count the matrix products of forward and backward passes. What has none is not in the
estimate: the start of a process, validation, checkpoints, and the scoring afterwards.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from fairseq.data import data_utils

from attn_nmt.benchmarking.measures import device, multiply_adds, seconds
from attn_nmt.benchmarking.models import Model
from attn_nmt.benchmarking.work import Sizes, training
from attn_nmt.command_line import UsageError, shown
from attn_nmt.study.flags import MODEL, require_known
from attn_nmt.study.grids.runs import Run
from attn_nmt.study.model_costs import actual_costs
from attn_nmt.training import options as training_options
from attn_nmt.training.command import (
    flag_value,
    has_joined_dictionary,
    recipe,
    update_freq,
)

MEASURE, NO_ESTIMATE = "measure", "none"
_STEP_TOKENS, _STEPS = 1000, 3
_FORWARD_AND_BACKWARD = 3
"""Each product of a forward pass has two of the same size in the backward pass."""


@dataclass(frozen=True)
class Rate:
    """Multiply-adds per second in training, on one device."""

    multiply_adds: float
    source: str
    """Where the number comes from, in words."""


@dataclass(frozen=True)
class Corpus:
    """The training data, as far as they determine time."""

    pairs: int
    length: float
    """Mean tokens of the longer side of a pair, by which batches are limited."""
    vocabulary: int
    """Target words."""


def read_rate(text: str, run: Run, corpus: Corpus) -> Rate:
    """Return the rate that ``--rate`` asks for.

    Args:
        text: "measure", the name of a JSON file, or a number.
        run: the one whose training is measured, for a few steps.
        corpus: its data.

    Raises:
        UsageError: if it is none of these, or the file holds no rate of a training.
    """
    if text == MEASURE:
        return _measured(run, corpus)
    if Path(text).suffix == ".json":
        return _from_benchmark(Path(text))
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        require_known("--rate", text, (MEASURE, NO_ESTIMATE, "FILE.json", "a positive number"))
    return Rate(number, "as given by --rate")


def read_corpus(data_bin: Path) -> Corpus | None:
    """Return what the training data are like, or None if there are none."""
    for target in sorted(data_bin.glob("train.*-*.*.idx")):
        _, pair, lang, _ = target.name.split(".")
        source_lang, _, target_lang = pair.partition("-")
        if lang != target_lang:
            continue
        sides = [
            data_utils.load_indexed_dataset(str(data_bin / f"train.{pair}.{side}"))
            for side in (source_lang, target_lang)
        ]
        if None in sides:
            continue
        longer = np.maximum(*(np.asarray(side.sizes) for side in sides))
        words = (data_bin / f"dict.{target_lang}.txt").read_bytes().count(b"\n")
        return Corpus(len(longer), float(longer.mean()), words)
    return None


def update_count(run: Run, corpus: Corpus) -> int | None:
    """Return after how many updates a training ends; None if nothing limits it."""
    options = training_options.read(run.train[3:])
    flags = [*recipe(options), *options.flags]
    limits = []
    if updates := _number(flags, "--max-update"):
        limits.append(updates)
    if epochs := _number(flags, "--max-epoch"):
        limits.append(epochs * math.ceil(corpus.pairs / _pairs_per_update(run, corpus)))
    return min(limits) if limits else None


def estimated_seconds(run: Run, corpus: Corpus, rate: Rate) -> float | None:
    """Return how long a training takes on one device; None if nothing limits it."""
    updates = update_count(run, corpus)
    if updates is None:
        return None
    return updates * _multiply_adds_per_update(run, corpus) / rate.multiply_adds


def as_text(duration: float) -> str:
    """Return seconds in a unit that suits them."""
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if duration >= 2 * size:
            return f"{duration / size:,.1f} {unit}"
    return f"{duration:.0f} seconds"


def _number(flags: list[str], name: str) -> int:
    value = flag_value(flags, name) or ""
    return int(value) if value.isdecimal() else 0


def _pairs_per_update(run: Run, corpus: Corpus) -> float:
    options = training_options.read(run.train[3:])
    batches = int(update_freq(options, 1).split(",")[0])
    return options.max_tokens * batches / corpus.length


def _multiply_adds_per_update(run: Run, corpus: Corpus) -> float:
    options = training_options.read(run.train[3:])
    length = max(1, round(corpus.length))
    sentences = max(1, options.max_tokens // length)
    layers = actual_costs(run.config, length, sentences)
    forward = sum(sum(counts.values()) for counts in layers.values())
    forward += length * run.config.decoder_embed_dim * corpus.vocabulary
    return _FORWARD_AND_BACKWARD * forward * _pairs_per_update(run, corpus)


def _measured(run: Run, corpus: Corpus) -> Rate:
    tokens = min(_STEP_TOKENS, training_options.read(run.train[3:]).max_tokens)
    flags = {"share_all_embeddings": has_joined_dictionary(run.data_bin), **run.flags}
    sizes = Sizes(tokens=tokens, vocabulary=max(8, corpus.vocabulary))
    step = training(Model(run.arch, flags, like=MODEL if run.cell.is_stock else None), sizes)
    count = multiply_adds(step)
    fastest = min(seconds(step) for _ in range(_STEPS))
    threads = torch.get_num_threads()
    where = f"a CPU, {threads} thread{'s' if threads > 1 else ''}"
    if device().type == "cuda":
        where = "a GPU"
    return Rate(
        count / fastest,
        f"measured in {_STEPS} training steps of {run.cell.name} with {tokens} tokens on {where}",
    )


def _from_benchmark(path: Path) -> Rate:
    """Return the median of the rates at training.

    Raises:
        UsageError: if there is none.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} must be JSON, but is not: {error}.") from error
    rates = [row["rate"] for row in rows if _has_rate(row)] if isinstance(rows, list) else []
    if not rates:
        raise UsageError(
            f"{path} must hold a row of training with a rate, as `attn-nmt benchmark training ARCH "
            f"--json {path.name}` writes it, but is {shown(rows)}."
        )
    return Rate(median(rates), f"the median of {len(rates)} rows of training in {path}")


def _has_rate(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and row.get("work") == "training"
        and isinstance(row.get("rate"), float)
        and 0 < row["rate"] < math.inf
    )
