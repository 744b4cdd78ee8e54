"""Whether a cell differs from the one before it: sacreBLEU's paired bootstrap, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attn_nmt.command_line import UsageError
from attn_nmt.study.paired_tests import LEVEL, common_reference, compare, find_system, read_lines
from attn_nmt.study.reporting.found import FoundCell, FoundRun

_ROUNDING = 0.006
"""How far a score may be from the same one rounded to two decimals."""


@dataclass(frozen=True)
class SeedTest:
    """Two runs of the same seed, the one of a cell against the one of the cell before it."""

    seed: int
    difference: float
    """In BLEU."""
    p_value: float | None
    """None if it could not be computed."""
    problem: str | None
    """Why it could not, in one sentence."""


def seed_tests(before: FoundCell, cell: FoundCell, samples: int) -> list[SeedTest]:
    """Return a test for each seed that both cells have finished."""
    earlier = {run.seed: run for run in before.finished}
    return [_test(earlier[run.seed], run, samples) for run in cell.finished if run.seed in earlier]


def is_significant(tests: Sequence[SeedTest]) -> bool | None:
    """Whether every seed says that they differ, all in the same direction.

    None if there is no test, or one could not be made.
    """
    p_values = [test.p_value for test in tests if test.p_value is not None]
    if not tests or len(p_values) < len(tests):
        return None
    same_direction = len({test.difference > 0 for test in tests}) == 1
    return same_direction and max(p_values) < LEVEL


def _test(before: FoundRun, run: FoundRun, samples: int) -> SeedTest:
    difference = _bleu(run) - _bleu(before)
    try:
        return SeedTest(run.seed, difference, _p_value(before, run, samples), None)
    except UsageError as error:  # such as a corpus that lies elsewhere by now
        return SeedTest(run.seed, difference, None, str(error))


def _p_value(before: FoundRun, run: FoundRun, samples: int) -> float:
    systems = [find_system(str(found.folder)) for found in (before, run)]
    reference = common_reference(systems)
    lines = read_lines(reference, "The reference must be a file of plain text")
    first, second = compare(systems, lines, "bs", samples)
    for found, row in ((before, first), (run, second)):
        if abs(row["bleu"] - _bleu(found)) > _ROUNDING:
            raise UsageError(
                f"{found.folder} must hold the translations that were scored {_bleu(found):.2f}, "
                f"but against {reference} they score {row['bleu']:.2f}."
            )
    return float(second["p_value"])


def _bleu(run: FoundRun) -> float:
    assert run.result is not None
    return float(run.result["scores"]["bleu"])
