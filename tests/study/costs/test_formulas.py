"""The formulas against PyTorch's counts of what the modules' dense backend computes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from attn_nmt.modules import (
    DeformableConv1d,
    DynamicConv1d,
    LightweightConv1d,
    RelativeMultiheadAttention,
)
from attn_nmt.study.costs import formulas
from attn_nmt.terms import ALL_TERMS, AttentionTerms

WIDTH, HEADS = 16, 4
LENGTHS = [(7, 7), (3, 8), (9, 2), (1, 5)]


def counted(run: Callable[[], object]) -> int:
    """Return the multiply-adds of the matrix products; each is two flops."""
    with FlopCounterMode(display=False) as counter:
        run()
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2


def tokens(length: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(length, batch, WIDTH)


def beyond_the_formula(terms: AttentionTerms, queries: int, keys: int) -> int:
    """Return how much more (or less, if negative) the dense backend computes than the paper counts.

    It computes each term by itself, multiplies each query with all distances of the sentence, and
    has one energy per distance for v.
    """
    pairs, distances, more = queries * keys, queries + keys - 1, 0
    if terms.query_position:
        more += queries * distances - pairs
    if terms.position_only:
        more += distances - (0 if terms.query_position else pairs)
    if terms.key_only and terms.query_key:
        more += keys
    return more * WIDTH


def dense(module: RelativeMultiheadAttention, query: torch.Tensor, key: torch.Tensor) -> int:
    """Count the dense backend, which any attention mask selects, even one that blocks nothing."""
    nothing = torch.zeros(len(query), len(key), dtype=torch.bool)
    return counted(lambda: module(query, key, attn_mask=nothing, need_weights=True))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("queries", "keys"), LENGTHS)
@pytest.mark.parametrize("terms", ALL_TERMS)
def test_attention_of_every_setting_costs_the_formula_and_the_known_rest(
    terms: str, queries: int, keys: int, batch: int
) -> None:
    module = RelativeMultiheadAttention(WIDTH, HEADS, terms=terms)
    count = dense(module, tokens(queries, batch), tokens(keys, batch))
    formula = formulas.attention(terms, queries=queries, keys=keys, width=WIDTH)
    of_distances = formula.pop("r_proj")
    more = beyond_the_formula(AttentionTerms.parse(terms), queries, keys)
    if terms[3] == "1":
        # v is multiplied with every distance once per batch.
        once = (queries + keys - 1) * WIDTH
        more, of_distances = more - once, of_distances + once
    assert count == batch * (sum(formula.values()) + more) + of_distances


@pytest.mark.parametrize("terms", ["0000", "0010", "1000"])
def test_settings_without_position_cost_exactly_the_formula(terms: str) -> None:
    for queries, keys in LENGTHS:
        module = RelativeMultiheadAttention(WIDTH, HEADS, terms=terms)
        formula = formulas.attention(terms, queries=queries, keys=keys, width=WIDTH)
        assert dense(module, tokens(queries), tokens(keys)) == sum(formula.values())


@pytest.mark.parametrize("terms", ["1000", "1010"])
def test_terms_that_share_a_product_cost_one(terms: str) -> None:
    # The counter does not support the CPU's fused attention.
    with torch.device("meta"):
        module, x = RelativeMultiheadAttention(WIDTH, HEADS, terms=terms), tokens(7)
        count = counted(lambda: module(x, need_weights=False))
    formula = formulas.attention(terms, queries=7, keys=7, width=WIDTH)
    assert count == sum(formula.values())


@pytest.mark.parametrize("terms", ALL_TERMS)
def test_a_span_counts_the_keys_and_distances_within_its_window(terms: str) -> None:
    whole = formulas.attention(terms, queries=20, keys=20, width=WIDTH)
    within = formulas.attention(terms, queries=20, keys=20, width=WIDTH, span=5)
    assert within["weighted_sum"] == 20 * 5 * WIDTH
    assert within["position_energy"] == (20 * 5 * WIDTH if "1" in terms[1::2] else 0)
    assert within["r_proj"] == (5 * WIDTH**2 if "1" in terms[1::2] else 0)
    for product in ("q_proj", "k_proj", "v_proj", "out_proj"):
        assert within[product] == whole[product]
    assert formulas.attention(terms, queries=20, keys=20, width=WIDTH, span=39) == whole


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("taps", [1, 2, 3])
def test_a_deformable_convolution_costs_exactly_the_formula(taps: int, causal: bool) -> None:
    module, x = DeformableConv1d(WIDTH, taps, causal=causal), tokens(9)
    formula = formulas.deformable_convolution(tokens=9, width=WIDTH, taps=taps)
    assert counted(lambda: module(x)) == sum(formula.values())


@pytest.mark.parametrize("glu", [False, True])
@pytest.mark.parametrize("kind", ["dynamic", "lightweight"])
@pytest.mark.parametrize(("length", "taps"), [(9, 3), (9, 12), (70, 5)])
def test_a_headwise_convolution_costs_the_formula_and_its_matrix_of_kernels(
    kind: str, glu: bool, length: int, taps: int
) -> None:
    """All but the convolution itself, which is computed as a matrix of kernels, mostly zeros."""
    module_class = DynamicConv1d if kind == "dynamic" else LightweightConv1d
    module = module_class(WIDTH, taps, HEADS, glu=glu)
    x = tokens(length)
    formula = formulas.headwise_convolution(
        kind, tokens=length, width=WIDTH, taps=taps, heads=HEADS, glu=glu
    )
    assert formula.pop("convolution") == length * taps * WIDTH
    # Blocks of 32 queries times their window, or the whole sentence if it is short.
    matrix = length * length if length < 32 else -(-length // 32) * 32 * (32 + taps - 1)
    assert counted(lambda: module(x)) == sum(formula.values()) + matrix * WIDTH


@pytest.mark.parametrize("kind", ["dynamic", "lightweight"])
def test_a_kernel_as_long_as_the_sentence_costs_exactly_the_formula(kind: str) -> None:
    """The matrix then holds one tap per token."""
    module_class = DynamicConv1d if kind == "dynamic" else LightweightConv1d
    module, x = module_class(WIDTH, 9, HEADS), tokens(9)
    formula = formulas.headwise_convolution(
        kind, tokens=9, width=WIDTH, taps=9, heads=HEADS, glu=True
    )
    assert counted(lambda: module(x)) == sum(formula.values())


def test_a_feed_forward_sublayer_costs_exactly_the_formula() -> None:
    fc1, fc2 = torch.nn.Linear(WIDTH, 24), torch.nn.Linear(24, WIDTH)
    x = tokens(5)
    formula = formulas.feed_forward(tokens=5, width=WIDTH, inner_width=24)
    assert counted(lambda: fc2(fc1(x))) == sum(formula.values())
    assert formulas.context_broadcast(tokens=5, width=WIDTH) == {"broadcast": 5 * WIDTH}
