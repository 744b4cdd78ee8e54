"""Multiply-adds of each mechanism for one sentence, from plain numbers: the paper's convention.

Every function returns its products by name. A product of an (n, k) and a (k, m) matrix is n k m
multiply-adds; biases, softmax, norms and residuals are not counted, nor is the interpolation of
deformable convolution. Terms that multiply with the same thing share one product, (q + u) . k and
(q + v) . r, as the paper's Section 3 notes. Causality saves nothing here.

This is how the paper counts, as far as its printed numbers tell: see ``paper.DEVIATIONS``. What
this package really computes is in :mod:`attn_nmt.study.costs.actual`.
"""

from __future__ import annotations

from attn_nmt.terms import AttentionTerms

Products = dict[str, int]


def attention(
    terms: str, *, queries: int, keys: int, width: int, span: int | None = None
) -> Products:
    """Return the products of multi-head attention; the number of heads does not matter.

    Within a ``span`` a query meets no more keys than it has tokens, also at the ends of the
    sentence, and no more distances are encoded. ``queries``, ``keys`` and ``span`` are in tokens,
    ``width`` in channels.

    Raises:
        ValueError: if ``terms`` is not four bits.
    """
    on = AttentionTerms.parse(terms)
    distances = queries + keys - 1
    if span is not None:
        distances, reach = min(span, distances), min(span, keys)
    else:
        reach = keys
    square, pairs = width * width, queries * reach * width
    return {
        "q_proj": queries * square if on.uses_query else 0,
        "k_proj": keys * square if on.uses_key else 0,
        "r_proj": distances * square if on.uses_position else 0,
        "v_proj": keys * square,
        # u alone meets every key once, whatever the query.
        "content_energy": pairs if on.query_key else keys * width if on.key_only else 0,
        # v alone is counted for every pair: the paper's Table 1 gives it the order of the others.
        "position_energy": pairs if on.uses_position else 0,
        "weighted_sum": pairs,
        "out_proj": queries * square,
    }


def deformable_convolution(*, tokens: int, width: int, taps: int) -> Products:
    """Return the products of a deformable convolution: its offsets, and a matrix for every tap."""
    return {"offset_proj": tokens * width * taps, "convolution": tokens * taps * width * width}


def headwise_convolution(
    kind: str, *, tokens: int, width: int, taps: int, heads: int, glu: bool
) -> Products:
    """Return the products of a "dynamic" or "lightweight" convolution; only the first predicts."""
    square = width * width
    return {
        "in_proj": tokens * square * (2 if glu else 1),
        "kernel_proj": tokens * width * heads * taps if kind == "dynamic" else 0,
        "convolution": tokens * taps * width,
        "out_proj": tokens * square,
    }


def feed_forward(*, tokens: int, width: int, inner_width: int) -> Products:
    """Return the products of the two matrices of a feed-forward sublayer."""
    return {"fc1": tokens * width * inner_width, "fc2": tokens * inner_width * width}


def context_broadcast(*, tokens: int, width: int) -> Products:
    """Return what context broadcasting adds: one multiply-add a channel of a token."""
    return {"broadcast": tokens * width}
