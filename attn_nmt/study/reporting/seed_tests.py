"""Whether a cell differs from its baseline, by two tests that answer different questions.

- sacreBLEU's paired approximate randomisation, seed by seed: would these two trained models keep
  their order on other test sentences? (The p of its paired bootstrap is of one side only, as is
  that of Moses' script which it replicates, so it is half of what a two-sided level asks for.)
- a paired t-test over the seeds: would these two kinds of model keep their order if they were
  trained again? Two seeds are not enough to say: their spread is known from one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from attn_nmt.command_line import UsageError
from attn_nmt.study.paired_tests import LEVEL, common_reference, compare, find_system, read_lines
from attn_nmt.study.reporting.results import CellResults, RecordedTest, SeedResult

WITHIN_SEEDS = "ar"
"""Of ``paired_tests.TESTS``, the two-sided one."""
MIN_SEEDS = 3
"""With fewer seeds in common, no test over the seeds is made and no difference is significant."""
TOO_FEW = "too few seeds"
_DECIMALS = 6
"""Of a difference; what follows is rounding."""
_ROUNDING = 0.006
"""How far a score may be from the same score rounded to two decimals."""


@dataclass(frozen=True)
class SeedTest:
    """A run of a cell against the run of its baseline with the same seed."""

    seed: int
    difference: float
    """In BLEU."""
    p_value: float | None
    """None if it could not be computed."""
    problem: str | None
    """Why it could not, in one sentence."""


def seed_tests(baseline: CellResults, cell: CellResults, samples: int) -> list[SeedTest]:
    """Return a test for each seed that both cells have finished.

    In a collection of results, recorded tests of the same translations are used.
    """
    by_seed = {run.seed: run for run in baseline.finished}
    recorded = cell.recorded_tests.get(baseline.name, {})
    return [
        _test(by_seed[run.seed], run, samples, recorded.get(run.seed))
        for run in cell.finished
        if run.seed in by_seed
    ]


def p_over_seeds(tests: Sequence[SeedTest]) -> float | None:
    """Return the two-sided p-value of a paired t-test over the seeds that both cells have finished.

    None with fewer than ``MIN_SEEDS``.
    """
    differences = np.round([test.difference for test in tests], _DECIMALS)
    if len(differences) < MIN_SEEDS:
        return None
    if np.ptp(differences) == 0:  # the test would divide by zero
        return 0.0 if differences[0] else 1.0
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def verdict(tests: Sequence[SeedTest]) -> str | None:
    """Return "yes" if the difference is significant by both tests, "no" or ``TOO_FEW``.

    That takes a p below ``LEVEL`` for every seed, all in the same direction, and over the seeds.
    None if there is no test, or one could not be made.
    """
    if not tests:
        return None
    over_seeds = p_over_seeds(tests)
    if over_seeds is None:
        return TOO_FEW
    p_values = [test.p_value for test in tests if test.p_value is not None]
    if len(p_values) < len(tests):
        return None
    same_direction = len({test.difference > 0 for test in tests}) == 1
    return "yes" if same_direction and max(*p_values, over_seeds) < LEVEL else "no"


def _test(
    baseline: SeedResult, run: SeedResult, samples: int, recorded: RecordedTest | None
) -> SeedTest:
    difference = _bleu(run) - _bleu(baseline)
    if recorded is not None and (recorded.samples, recorded.difference) == (samples, difference):
        return SeedTest(run.seed, difference, recorded.p_value, None)
    try:
        return SeedTest(run.seed, difference, _p_value(baseline, run, samples), None)
    except UsageError as error:  # such as a corpus that was moved since
        return SeedTest(run.seed, difference, None, str(error))


def _p_value(baseline: SeedResult, run: SeedResult, samples: int) -> float:
    runs = (baseline, run)
    systems = [find_system(str(one.directory)) for one in runs]
    reference = common_reference(systems)
    lines = read_lines(reference, "The reference must be a file of plain text")
    scores = compare(systems, lines, WITHIN_SEEDS, samples)
    for one, score in zip(runs, scores, strict=True):
        if abs(score["bleu"] - _bleu(one)) > _ROUNDING:
            raise UsageError(
                f"{one.directory} must hold the translations that were scored {_bleu(one):.2f}, "
                f"but against {reference} they score {score['bleu']:.2f}."
            )
    return float(scores[1]["p_value"])


def _bleu(run: SeedResult) -> float:
    assert run.result is not None
    return float(run.result["scores"]["bleu"])
