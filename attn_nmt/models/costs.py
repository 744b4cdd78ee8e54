"""Multiply-adds and parameters of each mechanism, from plain numbers: the paper's convention.

Multiply-adds are those of one sentence, by the name of the product. A product of an (n, k) and a
(k, m) matrix is n k m of them; biases, softmax, norms and residuals are not counted, nor is the
interpolation of deformable convolution. Terms that multiply with the same factor share one product,
(q + u) . k and (q + v) . r, as the paper's Section 3 notes. Causality saves nothing here.

This is how the paper counts, as far as its printed numbers tell: see
:data:`attn_nmt.study.paper.DEVIATIONS`. What this package really computes is counted by
:mod:`attn_nmt.study.model_costs`.

Parameters include biases, but no layer norms.
"""

from __future__ import annotations

from attn_nmt.terms import AttentionTerms

Products = dict[str, int]
"""Multiply-adds by the name of the product."""


def attention_products(
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


def deformable_products(*, tokens: int, width: int, taps: int) -> Products:
    """Return the products of a deformable convolution: its offsets, and a matrix for every tap."""
    return {"offset_proj": tokens * width * taps, "convolution": tokens * taps * width * width}


def headwise_products(
    *, tokens: int, width: int, taps: int, heads: int, glu: bool, predicted: bool
) -> Products:
    """Return the products of a headwise convolution, whose kernels may be ``predicted``."""
    square = width * width
    return {
        "in_proj": tokens * square * (2 if glu else 1),
        "kernel_proj": tokens * width * heads * taps if predicted else 0,
        "convolution": tokens * taps * width,
        "out_proj": tokens * square,
    }


def feed_forward_products(*, tokens: int, width: int, inner_width: int) -> Products:
    """Return the products of the two matrices of a feed-forward sublayer."""
    return {"fc1": tokens * width * inner_width, "fc2": tokens * inner_width * width}


def broadcast_products(*, tokens: int, width: int) -> Products:
    """Return what context broadcasting adds: one multiply-add per channel and token."""
    return {"broadcast": tokens * width}


def attention_parameters(terms: str, *, width: int) -> int:
    """Return those of attention: matrices that an enabled term uses, u and v, two biases.

    Raises:
        ValueError: if ``terms`` is not four bits.
    """
    on = AttentionTerms.parse(terms)
    # v_proj and out_proj always exist, each with a bias.
    matrices = 2 + on.uses_query + on.uses_key + on.uses_position
    vectors = 2 + on.key_only + on.position_only
    return matrices * width * width + vectors * width


def deformable_parameters(*, width: int, taps: int) -> int:
    """Return those of a deformable convolution: a matrix and an offset vector per tap, a bias."""
    return taps * width * width + taps * width + width


def headwise_parameters(*, width: int, taps: int, heads: int, glu: bool, predicted: bool) -> int:
    """Return those of a headwise convolution, whose kernels may be ``predicted``."""
    inner = 2 * width if glu else width
    kernels = heads * taps * (width if predicted else 1)
    return (width + 1) * inner + (width + 1) * width + kernels


def feed_forward_parameters(*, width: int, inner_width: int) -> int:
    """Return those of a feed-forward sublayer."""
    return (width + 1) * inner_width + (inner_width + 1) * width


def layer_norm_parameters(*, width: int) -> int:
    """Return those of a layer norm: a scale and a shift per channel."""
    return 2 * width
