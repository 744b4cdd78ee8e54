"""Findings on translation, the paper's and later ones, as claims about a grid, and what its results
say of them.

A claim is about a contrast: a weighted sum of the mean scores of cells, such as 0111 minus 1111.
Its standard error comes from the deviation over the seeds, pooled over all cells of the grid, which
has far more degrees of freedom than that of three seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, variance

from scipy import stats

from attn_nmt.study import paper

MARGIN = 0.5
"""BLEU. Differences up to this are called negligible; chosen before there were results."""
CONFIDENCE = 0.95
POWER = 0.8
HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "does not hold", "undecided", "not run"
VERDICTS = (HOLDS, FAILS, UNDECIDED, NOT_RUN)


@dataclass(frozen=True)
class Claim:
    """One statement that a contrast decides."""

    text: str
    weights: Mapping[str, float]
    """Of the cells' mean scores, by their names."""
    is_gain: bool
    """Whether the contrast is said to be above 0; otherwise, to be negligible."""


@dataclass(frozen=True)
class Finding:
    """A finding and the claims that it consists of."""

    text: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Evidence:
    """What the results say about a claim."""

    verdict: str
    estimate: float | None = None
    """The contrast of the mean scores, in BLEU; None if a cell has no run."""
    half_width: float | None = None
    """Of its 95 % confidence interval; None if no cell has two seeds."""
    detectable: float | None = None
    """The smallest true contrast that these runs would have shown four times of five: to be other
    than 0 or, where it is said to be negligible, outside the margin."""
    paper: float | None = None
    """The contrast of the printed scores, where all of them are printed."""


def _gain(text: str, better: str, worse: str) -> Claim:
    return Claim(text, {better: 1, worse: -1}, is_gain=True)


def _equal(text: str, one: str, other: str) -> Claim:
    return Claim(text, {one: 1, other: -1}, is_gain=False)


FINDINGS = (
    Finding(
        "In self-attention, the terms that see the query matter less than those that do not, and "
        "the query-key content term hardly at all (Section 4.2, terms, 1).",
        (
            Claim(
                "from none to 0011 more is gained than from 0011 to 1111",
                {"0011": 2, "none": -1, "1111": -1},
                is_gain=True,
            ),
            _equal("without query-key content, 0111 equals 1111", "0111", "1111"),
        ),
    ),
    Finding(
        "In encoder-decoder attention, the query-key content term is vital (terms, 2).",
        (
            _gain("1111 is better than 0111 there", "1111", "cross-0111"),
            _equal("1000 there equals 1111", "cross-1000", "1111"),
        ),
    ),
    Finding(
        "In self-attention, query content x relative position and key content only matter most "
        "(terms, 3).",
        (
            _equal("0110 equals 1111", "0110", "1111"),
            _gain("0110 is better than 1001, the other two terms", "0110", "1001"),
            _gain("0010 is better than no attention", "0010", "none"),
            _gain(
                "0010 is better than 0000, the mean of all words (added when that was known)",
                "0010",
                "0000",
            ),
        ),
    ),
    Finding(
        "In translation, deformable convolution is on a par with query content x relative position "
        "(deformable, 1).",
        (_equal("deformable convolution alone equals 0100", "none-deformable", "0100"),),
    ),
    Finding(
        "Deformable convolution with key content only is the best trade-off (deformable, 2; the "
        "claims are about BLEU, costs are in the table of models).",
        (
            _equal(
                "0010 + deformable equals 1111 + deformable", "0010-deformable", "1111-deformable"
            ),
            _equal("it equals 1111", "0010-deformable", "1111"),
            _gain(
                "it is better than deformable convolution alone",
                "0010-deformable",
                "none-deformable",
            ),
        ),
    ),
    Finding(
        "Dynamic convolution is on a par with query content x relative position, and both lose as "
        "the span shrinks (dynamic; from 31 to 13 in the paper, here to 3 as well, for short "
        "sentences).",
        (
            _equal("31 taps equal 0100", "dynamic-kernel31", "0100"),
            *(_equal(f"at span {n}", f"dynamic-kernel{n}", f"0100-span{n}") for n in (31, 13, 3)),
            *(
                _gain(f"0100 loses from span 31 to {n}", "0100-span31", f"0100-span{n}")
                for n in (13, 3)
            ),
            *(
                _gain(
                    f"dynamic convolution loses from 31 taps to {n}",
                    "dynamic-kernel31",
                    f"dynamic-kernel{n}",
                )
                for n in (13, 3)
            ),
        ),
    ),
    Finding(
        "Context broadcasting helps (Hyeon-Woo et al. 2022, on images; not in this paper).",
        (
            _gain("plain, beside 1111", "broadcast-plain", "1111"),
            _gain("scaled, beside 1111", "broadcast-scaled", "1111"),
        ),
    ),
    Finding(
        "Self-attention that does not depend on the query loses little if its weights are learned "
        "(Tay et al. 2021, who look at no key either: 27.67 to 27.27 on WMT14; not in this paper, "
        "and written down when these results were known).",
        (
            _equal("0001, which looks at no key, equals 1111", "0001", "1111"),
            _equal("0011 equals 1111", "0011", "1111"),
        ),
    ),
    Finding(
        "Attention that does not look at words costs more in encoder-decoder attention than in "
        "self-attention (You et al. 2020; not in this paper).",
        (_gain("0001 costs more there", "0001", "cross-0001"),),
    ),
    Finding(
        "The decoder needs less self-attention than the encoder (not in this paper).",
        tuple(
            _gain(f"{change} costs more in the encoder", f"decoder-{terms}", f"encoder-{terms}")
            for terms, change in (
                ("none", "leaving self-attention out"),
                ("0010", "having 0010 alone"),
                ("0110", "having 0110 alone"),
            )
        ),
    ),
)
"""Those of Section 4.2 on translation, in its order, and others. Cells are named as in the paper's
grids; ``cross-`` stands before the terms of encoder-decoder attention, ``encoder-`` and
``decoder-`` before those of self-attention on that side alone."""


def weigh(claim: Claim, scores: Mapping[str, Sequence[float]]) -> Evidence:
    """Return what scores say about a claim.

    - A gain holds if the whole confidence interval is above 0. It does not if the interval is below
      0, or within the margin on both sides: then whatever there is, is negligible.
    - Negligible holds if the interval is within the margin on both sides. It does not if the
      interval is outside.

    Args:
        claim: the claim.
        scores: of each seed, in BLEU, by the cells of one grid.
    """
    printed = paper.printed("bleu")
    in_paper = _contrast(claim, printed) if claim.weights.keys() <= printed.keys() else None
    if any(not scores.get(cell) for cell in claim.weights):
        return Evidence(NOT_RUN, paper=in_paper)
    estimate = _contrast(claim, {cell: fmean(scores[cell]) for cell in claim.weights})
    deviation, freedom = pooled_deviation(scores)
    if freedom == 0:
        return Evidence(UNDECIDED, estimate, paper=in_paper)
    error = deviation * sqrt(sum(w**2 / len(scores[cell]) for cell, w in claim.weights.items()))
    half_width = _quantile(freedom) * error
    detectable = half_width + float(stats.t.ppf(POWER, freedom)) * error
    if not claim.is_gain:
        detectable += MARGIN
    low, high = estimate - half_width, estimate + half_width
    verdict = _verdict(claim.is_gain, low, high)
    return Evidence(verdict, estimate, half_width, detectable, in_paper)


def overall(evidence: Sequence[Evidence]) -> str:
    """Return the verdict on a finding, from those on its claims."""
    verdicts = {each.verdict for each in evidence}
    return next((one for one in (FAILS, NOT_RUN, UNDECIDED) if one in verdicts), HOLDS)


def pooled_deviation(scores: Mapping[str, Sequence[float]]) -> tuple[float, int]:
    """Return the standard deviation over seeds, common to all cells, and its degrees of freedom."""
    repeated = [seeds for seeds in scores.values() if len(seeds) > 1]
    freedom = sum(len(seeds) - 1 for seeds in repeated)
    if freedom == 0:
        return 0.0, 0
    squares = sum((len(seeds) - 1) * variance(seeds) for seeds in repeated)
    return sqrt(squares / freedom), freedom


def half_width_of_a_pair(deviation: float, freedom: int, seeds: int) -> float:
    """Return that of the interval for two cells with as many seeds each, in BLEU."""
    return _quantile(freedom) * deviation * sqrt(2 / seeds)


def _quantile(freedom: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))


def _contrast(claim: Claim, means: Mapping[str, float]) -> float:
    return sum(weight * means[cell] for cell, weight in claim.weights.items())


def _verdict(is_gain: bool, low: float, high: float) -> str:
    is_negligible = low > -MARGIN and high < MARGIN
    if is_gain:
        if low > 0:
            return HOLDS
        return FAILS if high < 0 or is_negligible else UNDECIDED
    if is_negligible:
        return HOLDS
    return FAILS if low > MARGIN or high < -MARGIN else UNDECIDED
