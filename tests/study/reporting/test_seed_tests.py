"""Paired tests seed by seed, against sacreBLEU's own command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.result_folders import translated
from support.translations import damaged, make_corpus, sentences, write

from attn_nmt.study.reporting.results import find_grids
from attn_nmt.study.reporting.seed_tests import SeedTest, p_over_seeds, seed_tests, verdict

SAMPLES = 50


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two cells of "table3": 0100-span13, and dynamic-kernel13 with one more seed."""
    references = sentences()
    corpus = make_corpus(tmp_path / "corpus", references)
    shares = {"0100-span13": {1: 0.2, 2: 0.2}, "dynamic-kernel13": {1: 0.1, 2: 0.18, 3: 0.1}}
    for number, (cell, by_seed) in enumerate(shares.items()):
        for seed, share in by_seed.items():
            lines = damaged(references, 10 * number + seed, share)
            translated(tmp_path / "runs" / "table3", cell, seed, corpus, lines, references)
    return tmp_path / "runs"


def paired(runs: Path) -> list[SeedTest]:
    (grid,) = find_grids(runs)
    baseline, cell = grid.cell("0100-span13"), grid.cell("dynamic-kernel13")
    assert baseline is not None and cell is not None and cell.baseline == baseline.name
    return seed_tests(baseline, cell, SAMPLES)


def sacrebleu_says(reference: Path, systems: list[Path]) -> tuple[float, float]:
    """The difference and p of sacreBLEU's own command."""
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "sacrebleu",
            reference,
            "-i",
            *systems,
            "-m",
            "bleu",
            "--paired-ar",
            "--paired-ar-n",
            str(SAMPLES),
            "-f",
            "json",
            "-w",
            "4",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "SACREBLEU_SEED": "12345"},
    )
    first, second = (entry["BLEU"] for entry in json.loads(result.stdout))
    return second["score"] - first["score"], second["p_value"]


def test_each_seed_is_tested_against_the_same_seed(runs: Path, tmp_path: Path) -> None:
    tests = paired(runs)
    assert [test.seed for test in tests] == [1, 2]
    for test in tests:
        systems = [
            runs / "table3" / cell / f"seed{test.seed}" / "evaluation-test-average2/hypotheses.de"
            for cell in ("0100-span13", "dynamic-kernel13")
        ]
        difference, p_value = sacrebleu_says(tmp_path / "corpus/raw/test.de", systems)
        assert test.difference == pytest.approx(difference, abs=0.011)
        assert test.p_value == pytest.approx(p_value, abs=1e-4) and test.problem is None
    assert len({test.p_value for test in tests}) == 2


def made_of(pairs: list[Any]) -> list[SeedTest]:
    """Tests with these differences and p-values."""
    return [SeedTest(n, difference, p, None) for n, (difference, p) in enumerate(pairs)]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], None),
        ([(1.0, 0.04)], "too few seeds"),
        ([(1.0, 0.01), (1.1, 0.01)], "too few seeds"),
        ([(1.0, 0.01), (1.1, 0.04), (1.2, 0.01)], "yes"),
        ([(-1.0, 0.01), (-1.1, 0.04), (-1.2, 0.01)], "yes"),
        ([(1.0, 0.01), (1.0, 0.01), (1.0, 0.01)], "yes"),
        # Not within one seed.
        ([(1.0, 0.01), (1.1, 0.05), (1.2, 0.01)], "no"),
        ([(0.0, 1.0), (0.0, 1.0), (0.0, 1.0)], "no"),
        # Within every seed, but not over them.
        ([(1.0, 0.01), (1.0, 0.01), (9.0, 0.01)], "no"),
        ([(1.0, 0.01), (1.0, 0.01), (-1.0, 0.01)], "no"),
        ([(1.0, 0.01), (1.1, 0.01), (1.2, None)], None),
    ],
)
def test_a_difference_is_significant_only_within_every_seed_and_over_them(
    pairs: list[Any], expected: str | None
) -> None:
    assert verdict(made_of(pairs)) == expected


def test_the_test_over_seeds_is_students() -> None:
    # Of 1, 2, 4: mean 7/3, deviation sqrt(7/3), t = sqrt(7); of t with two degrees of freedom the
    # two-sided p is 1 - t / sqrt(t^2 + 2).
    tests = made_of([(1.0, None), (2.0, None), (4.0, None)])
    assert p_over_seeds(tests) == pytest.approx(1 - (7 / 9) ** 0.5)
    assert p_over_seeds(tests[:2]) is None


def test_differences_that_are_equal_up_to_rounding_are_equal() -> None:
    assert p_over_seeds(made_of([(0.1 + 0.2, None), (0.3, None), (0.3, None)])) == 0.0
    assert p_over_seeds(made_of([(0.1 + 0.2 - 0.3, None), (0.0, None), (0.0, None)])) == 1.0


def test_translations_that_do_not_have_the_recorded_score_are_not_tested(runs: Path) -> None:
    folder = runs / "table3" / "dynamic-kernel13" / "seed2"
    other = damaged(sentences(), 99, 0.5)
    write(folder / "evaluation-test-average2" / "hypotheses.de", other)
    first, second = paired(runs)
    assert first.p_value is not None and second.p_value is None
    assert second.problem is not None
    assert second.problem.startswith(f"{folder} must hold the translations that were scored ")


def test_without_the_corpus_there_is_a_difference_but_no_p(runs: Path, tmp_path: Path) -> None:
    with_corpus = paired(runs)
    (tmp_path / "corpus").rename(tmp_path / "elsewhere")
    for tested, test in zip(with_corpus, paired(runs), strict=True):
        assert test.p_value is None and test.difference == tested.difference
        assert test.problem is not None and "data_card.json must exist" in test.problem
