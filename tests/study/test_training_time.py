"""Estimates of time: the data they read, the work they count, the rates they take, the limits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.copy_task import data_bin

from attn_nmt.benchmarking.measures import multiply_adds
from attn_nmt.benchmarking.models import Model
from attn_nmt.benchmarking.work import MAX_LENGTH, MIN_LENGTH, Sizes, training
from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.cells import Cell
from attn_nmt.study.grids.runs import Run, plan_runs
from attn_nmt.study.training_time import (
    Corpus,
    Rate,
    as_text,
    estimated_seconds,
    read_corpus,
    read_rate,
    update_count,
)

__all__ = ["data_bin"]
ONE = Rate(1.0, "")


def a_run(data_bin: Path, line: str, **flags: Any) -> Run:
    (run,) = plan_runs(
        [Cell("one", flags)],
        size="tiny",
        seeds=[1],
        data_bin=data_bin,
        out=Path("out"),
        model_flags={},
        train_flags=line.split(),
    )
    return run


def test_the_corpus_is_read_from_its_binary_files(data_bin: Path, tmp_path: Path) -> None:
    corpus = read_corpus(data_bin)
    assert corpus is not None
    text = [(data_bin.parent / "raw" / f"train.{lang}").read_text() for lang in ("en", "de")]
    assert corpus.pairs == text[0].count("\n") == 4000
    words = (data_bin / "dict.de.txt").read_text().splitlines()
    assert corpus.vocabulary == len(words)
    # A word is one token or two, and </s> is one.
    mean = sum(len(line.split()) + 1 for line in text[0].splitlines()) / 4000
    assert mean <= corpus.length < 2 * mean
    assert read_corpus(tmp_path) is None


@pytest.mark.parametrize("terms", ["1111", "0010", "none"])
def test_the_work_of_an_update_is_that_of_a_real_step(data_bin: Path, terms: str) -> None:
    """Within what padding and the CPU's fused attention, which is not counted, explain."""
    sizes = Sizes(tokens=2000, vocabulary=500)
    step = training(Model("attn_transformer_tiny", {"self_attn_terms": terms}), sizes)
    corpus = Corpus(pairs=1000, length=(MIN_LENGTH + MAX_LENGTH) / 2, vocabulary=500)
    flags = "--max-tokens 2000 --update-freq 1 --max-update 1"
    run = a_run(data_bin, flags, self_attn_terms=terms)
    assert estimated_seconds(run, corpus, ONE) == pytest.approx(multiply_adds(step), rel=0.4)


def test_time_grows_with_updates_and_their_size_and_falls_with_the_rate(data_bin: Path) -> None:
    corpus = read_corpus(data_bin)
    assert corpus is not None
    base = "--max-tokens 1000 --update-freq 2 --max-update 10"
    one = estimated_seconds(a_run(data_bin, base), corpus, Rate(1e9, ""))
    assert one is not None

    def ratio(line: str, rate: float = 1e9) -> float:
        other = estimated_seconds(a_run(data_bin, line), corpus, Rate(rate, ""))
        assert other is not None and one is not None
        return other / one

    assert ratio(f"{base} --max-update 30") == pytest.approx(3)
    assert ratio(f"{base} --update-freq 4") == pytest.approx(2)
    assert ratio("--max-tokens 1000 --tokens-per-update 4000 --max-update 10") == pytest.approx(2)
    assert ratio(base, rate=2e9) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("line", "updates"),
    [
        ("", 100_000),
        ("--max-update 7", 7),
        ("--max-epoch 3", 120),
        ("--max-epoch 3 --max-update 50", 50),
        ("--max-epoch 3 --max-update 0", 120),
        ("--max-update 0", None),
    ],
)
def test_updates_end_by_the_first_limit(data_bin: Path, line: str, updates: int | None) -> None:
    corpus = Corpus(pairs=4000, length=10.0, vocabulary=100)
    run = a_run(data_bin, f"--max-tokens 1000 --update-freq 1 {line}")
    assert update_count(run, corpus) == updates
    assert (estimated_seconds(run, corpus, ONE) is None) == (updates is None)


def test_a_rate_is_a_number_or_that_of_a_benchmark(data_bin: Path, tmp_path: Path) -> None:
    run, corpus = a_run(data_bin, ""), Corpus(10, 10.0, 100)
    assert read_rate("4e10", run, corpus).multiply_adds == 4e10
    path = tmp_path / "bench.json"
    rows = [{"work": "training", "rate": rate} for rate in (1e9, 3e9, 2e9, None)]
    path.write_text(json.dumps([*rows, {"work": "decoding", "rate": 9e9}]))
    rate = read_rate(str(path), run, corpus)
    assert rate == Rate(2e9, f"the median of 3 rows of training in {path}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "must be JSON, but is not: "),
        ("{}", "must hold a row of training with a rate, .*, but is {}[.]$"),
        ('[{"work": "decoding", "rate": 1.0}]', "must hold a row of training with a rate, "),
        ('[3, {"work": "training", "rate": "fast"}]', "must hold a row of training with a rate, "),
    ],
)
def test_a_file_without_a_rate_is_refused(
    data_bin: Path, tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "bench.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=f"^{path} {message}"):
        read_rate(str(path), a_run(data_bin, ""), Corpus(10, 10.0, 100))


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "mesure"])
def test_another_rate_is_refused(data_bin: Path, text: str) -> None:
    with pytest.raises(UsageError, match=f"^--rate must be one of measure, .*, but is '{text}'; "):
        read_rate(text, a_run(data_bin, ""), Corpus(10, 10.0, 100))


def test_a_measured_rate_says_what_was_measured(data_bin: Path) -> None:
    run = a_run(data_bin, "--max-tokens 300", encoder_layers=1, max_source_positions=99)
    corpus = read_corpus(data_bin)
    assert corpus is not None
    rate = read_rate("measure", run, corpus)
    assert 1e6 < rate.multiply_adds < 1e16
    assert rate.source.startswith("measured in 3 training steps of one with 300 tokens on a ")
    if torch.cuda.is_available():
        assert rate.source.endswith("GPU")
    dropout = replace(run, flags={**run.flags, "share_all_embeddings": False})
    assert read_rate("measure", dropout, corpus).multiply_adds > 1e6


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (59.6, "60 seconds"),
        (119, "119 seconds"),
        (120, "2.0 minutes"),
        (7199, "120.0 minutes"),
        (9000, "2.5 hours"),
        (86400 * 1234.5, "1,234.5 days"),
    ],
)
def test_a_duration_has_a_unit_that_suits_it(seconds: float, text: str) -> None:
    assert as_text(seconds) == text
