"""Numbers of parameters of each mechanism, biases included, layer norms left out."""

from __future__ import annotations

from attn_nmt.terms import AttentionTerms


def attention(terms: str, *, width: int) -> int:
    """Return those of attention: matrices that an enabled term uses, u and v, two biases.

    Raises:
        ValueError: if ``terms`` is not four bits.
    """
    on = AttentionTerms.parse(terms)
    # v_proj and out_proj are always there, each with a bias.
    matrices = 2 + on.uses_query + on.uses_key + on.uses_position
    vectors = 2 + on.key_only + on.position_only
    return matrices * width * width + vectors * width


def deformable_convolution(*, width: int, taps: int) -> int:
    """Return those of a deformable convolution: a matrix and an offset vector a tap, a bias."""
    return taps * width * width + taps * width + width


def headwise_convolution(kind: str, *, width: int, taps: int, heads: int, glu: bool) -> int:
    """Return those of a "dynamic" or "lightweight" convolution."""
    inner = 2 * width if glu else width
    kernels = heads * taps * (width if kind == "dynamic" else 1)
    return (width + 1) * inner + (width + 1) * width + kernels


def feed_forward(*, width: int, inner_width: int) -> int:
    """Return those of a feed-forward sublayer."""
    return (width + 1) * inner_width + (inner_width + 1) * width


def layer_norm(*, width: int) -> int:
    """Return those of a layer norm: a scale and a shift a channel."""
    return 2 * width
