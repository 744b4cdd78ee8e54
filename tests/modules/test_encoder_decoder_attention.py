"""Encoder-decoder attention while decoding: keys cached once, queries counted."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from support.gradients import randomize
from support.terms import REPRESENTATIVE_TERMS

from attn_nmt.modules import RelativeMultiheadAttention

WIDTH, BATCH, SOURCE, TARGET = 8, 3, 5, 7


def build(terms: str, span: int | None = None) -> RelativeMultiheadAttention:
    module = RelativeMultiheadAttention(WIDTH, 2, terms=terms, span=span).double().eval()
    randomize(module)
    return module


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    padding = torch.zeros(BATCH, SOURCE, dtype=torch.bool)
    padding[1, 3:] = True
    source = torch.randn(SOURCE, BATCH, WIDTH).double()
    return torch.randn(TARGET, BATCH, WIDTH).double(), source, padding


@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize("span", [None, 5])
@pytest.mark.parametrize("steps", [[1] * TARGET, [3, 4]])
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("terms", REPRESENTATIVE_TERMS)
def test_decoding_step_by_step_equals_the_full_pass(
    terms: str, need_weights: bool, steps: list[int], span: int | None, learning: bool
) -> None:
    module, (target, source, padding), state = build(terms, span), inputs(), {}
    options = {"incremental_state": state, "static_kv": True, "need_weights": need_weights}
    with torch.set_grad_enabled(learning):
        found = [module(part, source, source, padding, **options) for part in target.split(steps)]
    expected, weights = module(target, source, source, padding)
    torch.testing.assert_close(torch.cat([y for y, _ in found]), expected, rtol=1e-10, atol=1e-10)
    if need_weights:
        torch.testing.assert_close(torch.cat([w for _, w in found], dim=1), weights)


@pytest.mark.parametrize("terms", REPRESENTATIVE_TERMS)
def test_weights_may_be_asked_for_at_any_step(terms: str) -> None:
    """The last layer is asked for alignments in one step and not in another."""
    module, (target, source, padding), state = build(terms), inputs(), {}
    _, expected = module(target, source, source, padding)
    options = {"incremental_state": state, "static_kv": True}
    module(target[:2], source, source, padding, **options, need_weights=False)
    _, weights = module(target[2:], source, source, padding, **options)
    torch.testing.assert_close(weights, expected[:, 2:])


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("terms", REPRESENTATIVE_TERMS)
def test_cached_keys_follow_a_reordering_of_beams(terms: str, need_weights: bool) -> None:
    module, (target, source, padding), state = build(terms), inputs(), {}
    order = [1, 1, 0, 2]
    module.forward = partial(module.forward, need_weights=need_weights)  # type: ignore[method-assign]
    module(target[:2], source, source, padding, incremental_state=state, static_kv=True)
    module.reorder_incremental_state(state, torch.tensor(order))
    # The keys given from now on must not matter: they are cached.
    found, _ = module(
        target[2:, order],
        torch.zeros(SOURCE, 4, WIDTH).double(),
        None,
        incremental_state=state,
        static_kv=True,
    )
    expected, _ = module(target[:, order], source[:, order], None, padding[order])
    torch.testing.assert_close(found, expected[2:], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("terms", REPRESENTATIVE_TERMS)
def test_padding_on_the_right_changes_nothing(terms: str, need_weights: bool) -> None:
    module, (target, source, padding) = build(terms), inputs()
    module.forward = partial(module.forward, need_weights=need_weights)  # type: ignore[method-assign]
    among, _ = module(target, source, source, padding)
    alone, _ = module(target[:, 1:2], source[:3, 1:2], source[:3, 1:2])
    torch.testing.assert_close(among[:, 1:2], alone, rtol=1e-10, atol=1e-10)
