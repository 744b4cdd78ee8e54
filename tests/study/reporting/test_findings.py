"""Verdicts on the paper's findings: contrasts, their intervals, and what follows from them."""

from __future__ import annotations

from statistics import fmean, stdev

import pytest
from scipy import stats

from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.reporting.findings import (
    FAILS,
    FINDINGS,
    HOLDS,
    MARGIN,
    NOT_RUN,
    UNDECIDED,
    Claim,
    Evidence,
    overall,
    pooled_deviation,
    weigh,
)

LARGER = Claim("a gain", {"b": 1, "a": -1}, is_gain=True)
EQUAL = Claim("equal", {"b": 1, "a": -1}, is_gain=False)


def scores(difference: float, spread: float) -> dict[str, list[float]]:
    """Three seeds of a and b around a difference, each with a standard deviation of ``spread``."""
    return {
        "a": [20 - spread, 20.0, 20 + spread],
        "b": [20 + difference + n * spread for n in (1, 0, -1)],
    }


def test_an_interval_is_that_of_a_t_test_where_there_are_two_cells() -> None:
    both = {"a": [20.0, 20.4, 20.3], "b": [21.0, 20.7, 21.5]}
    evidence = weigh(LARGER, both)
    reference = stats.ttest_ind(both["b"], both["a"]).confidence_interval(0.95)
    assert evidence.estimate == pytest.approx(fmean(both["b"]) - fmean(both["a"]))
    assert evidence.half_width == pytest.approx((reference.high - reference.low) / 2)
    # A power of 80 % for a true difference of this size, as by the noncentral distribution.
    assert evidence.detectable is not None and evidence.half_width is not None
    error = evidence.half_width / stats.t.ppf(0.975, 4)
    power = 1 - stats.nct.cdf(stats.t.ppf(0.975, 4), 4, evidence.detectable / error)
    assert power == pytest.approx(0.8, abs=0.03)
    # An equality is refuted by what is outside the margin.
    assert weigh(EQUAL, both).detectable == pytest.approx(evidence.detectable + MARGIN)


def test_the_deviation_is_that_of_all_cells_around_their_own_means() -> None:
    cells = {"a": [1.0, 3.0], "b": [10.0, 10.0, 13.0], "once": [50.0], "none": []}
    assert pooled_deviation(cells) == (pytest.approx(((2 + 6) / 3) ** 0.5), 3)
    assert pooled_deviation({"a": [1.0, 2.0]}) == (pytest.approx(stdev([1.0, 2.0])), 1)
    assert pooled_deviation({"once": [50.0]}) == (0.0, 0)


@pytest.mark.parametrize(
    ("claim", "difference", "spread", "verdict"),
    [
        (LARGER, 1.0, 0.1, HOLDS),
        (LARGER, -1.0, 0.1, FAILS),
        (LARGER, 0.05, 0.05, FAILS),  # so small that it is negligible
        (LARGER, 0.2, 0.01, HOLDS),  # small, but there
        (LARGER, 1.0, 1.0, UNDECIDED),
        (EQUAL, 0.0, 0.1, HOLDS),
        (EQUAL, 0.2, 0.01, HOLDS),
        (EQUAL, 1.0, 0.1, FAILS),
        (EQUAL, -1.0, 0.1, FAILS),
        (EQUAL, 0.0, 1.0, UNDECIDED),
        (EQUAL, MARGIN, 0.1, UNDECIDED),
    ],
)
def test_a_verdict_needs_the_whole_interval(
    claim: Claim, difference: float, spread: float, verdict: str
) -> None:
    assert weigh(claim, scores(difference, spread)).verdict == verdict


def test_without_a_cell_or_without_seeds_nothing_is_decided() -> None:
    assert weigh(EQUAL, {"a": [20.0], "b": []}) == Evidence(NOT_RUN)
    assert weigh(EQUAL, {"a": [20.0]}) == Evidence(NOT_RUN)
    assert weigh(EQUAL, {"a": [20.0], "b": [20.5]}) == Evidence(UNDECIDED, 0.5)


def test_a_contrast_may_weigh_three_cells() -> None:
    claim = Claim("twice", {"c": 2, "a": -1, "b": -1}, is_gain=True)
    found = weigh(claim, {**scores(1.0, 0.1), "c": [23.0]})
    assert found.estimate == pytest.approx(46 - 20 - 21)
    half = stats.t.ppf(0.975, 4) * 0.1 * (4 / 1 + 1 / 3 + 1 / 3) ** 0.5
    assert found.half_width == pytest.approx(half)


def test_one_claim_that_fails_decides_a_finding() -> None:
    for verdicts, whole in (
        ((HOLDS, HOLDS), HOLDS),
        ((HOLDS, UNDECIDED), UNDECIDED),
        ((UNDECIDED, NOT_RUN), NOT_RUN),
        ((NOT_RUN, FAILS, HOLDS), FAILS),
    ):
        assert overall([Evidence(verdict) for verdict in verdicts]) == whole


def test_the_papers_own_numbers_are_beside_ours() -> None:
    found = {claim.text: weigh(claim, {}).paper for finding in FINDINGS for claim in finding.claims}
    assert found["without query-key content, 0111 equals 1111"] == pytest.approx(-0.1)
    assert found["deformable convolution alone equals 0100"] == pytest.approx(-0.1)
    assert found["at span 31"] == pytest.approx(0.2)
    assert found["1000 there equals 1111"] is None  # in a figure, without a number


def test_the_cells_are_named_as_in_the_grids() -> None:
    known = {cell.name for name, cells in GRIDS.items() for cell in cells}
    known |= {f"cross-{cell.name}" for cell in GRIDS["figure3-cross"]}
    named = {cell for finding in FINDINGS for claim in finding.claims for cell in claim.weights}
    others = {"broadcast-plain", "broadcast-scaled", "0100-span3", "dynamic-kernel3"}
    others |= {"1111-deformable"}
    others |= {
        f"{side}-{terms}" for side in ("encoder", "decoder") for terms in ("none", "0010", "0110")
    }
    assert named <= known | others
