"""Several rows of queries for a row of keys equal as many copies of the keys."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.gradients import randomize
from support.terms import REPRESENTATIVE_TERMS

from attn_nmt.modules import RelativeMultiheadAttention
from attn_nmt.modules.kv_cache import rows_after_reorder

WIDTH, SENTENCES, BEAM, SOURCE, TARGET = 8, 3, 2, 5, 4
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def build(terms: str, **options: Any) -> RelativeMultiheadAttention:
    module = RelativeMultiheadAttention(WIDTH, 2, terms=terms, **options).double().eval()
    randomize(module)
    return module


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries of all beams, keys and padding of the sentences."""
    padding = torch.zeros(SENTENCES, SOURCE, dtype=torch.bool)
    padding[1, 3:] = True
    source = torch.randn(SOURCE, SENTENCES, WIDTH).double()
    return torch.randn(TARGET, SENTENCES * BEAM, WIDTH).double(), source, padding


def copies(source: torch.Tensor, padding: torch.Tensor) -> tuple[torch.Tensor, ...]:
    repeated = source.repeat_interleave(BEAM, dim=1)
    return repeated, repeated, padding.repeat_interleave(BEAM, dim=0)


@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize("span", [None, 3])
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("length", [1, TARGET])
@pytest.mark.parametrize("terms", REPRESENTATIVE_TERMS)
def test_shared_keys_equal_copies_of_them(
    terms: str, length: int, need_weights: bool, span: int | None, is_training: bool
) -> None:
    module, (target, source, padding) = build(terms, span=span).train(is_training), inputs()
    target = target[:length].requires_grad_()
    options = {"need_weights": need_weights, "need_head_weights": need_weights}
    expected, expected_weights = module(target, *copies(source, padding), **options)
    found, weights = module(target, source, source, padding, **options)
    torch.testing.assert_close(found, expected, **CLOSE)
    if need_weights:
        torch.testing.assert_close(weights, expected_weights, **CLOSE)
    wanted = [target, *module.parameters()]
    upstream = torch.randn_like(expected)
    pairs = zip(
        torch.autograd.grad(found, wanted, upstream, allow_unused=True),
        torch.autograd.grad(expected, wanted, upstream, allow_unused=True),
        strict=True,
    )
    for gradient, expected_gradient in pairs:
        torch.testing.assert_close(gradient, expected_gradient, **CLOSE)


@pytest.mark.parametrize("length", [1, TARGET])
@pytest.mark.parametrize("terms", ["1111", "1010", "0110"])
def test_shared_keys_may_be_so_many_that_attention_is_fused(terms: str, length: int) -> None:
    source_length, module = 150, build(terms)
    source = torch.randn(source_length, SENTENCES, WIDTH).double()
    target = torch.randn(length, SENTENCES * BEAM, WIDTH).double()
    padding = torch.zeros(SENTENCES, source_length, dtype=torch.bool)
    padding[1, 100:] = True
    with torch.no_grad():
        expected, _ = module(target, *copies(source, padding), need_weights=True)
        found, _ = module(target, source, source, padding, need_weights=False)
    torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.parametrize("length", [1, TARGET])
def test_rows_that_share_keys_may_have_masks_of_their_own(length: int) -> None:
    module, (target, source, padding) = build("1111"), inputs()
    heads = SENTENCES * BEAM * module.num_heads
    mask = torch.randn(heads, length, SOURCE).double()
    expected, _ = module(target[:length], *copies(source, padding), attn_mask=mask)
    found, _ = module(target[:length], source, source, padding, attn_mask=mask)
    torch.testing.assert_close(found, expected, **CLOSE)


def test_nothing_to_attend_to_is_refused() -> None:
    message = "^`query` and `key` must have at least one token of one row, but are "
    x = torch.zeros(3, 2, WIDTH).double()
    with pytest.raises(ValueError, match=message):
        build("1111")(x, x[:0])


@pytest.mark.parametrize("shape", [(0, 2), (3, 0)])
@pytest.mark.parametrize("terms", ["1111", "0010"])
def test_nothing_to_attend_from_is_refused(terms: str, shape: tuple[int, int]) -> None:
    message = "^`query` and `key` must have at least one token of one row, but are "
    with pytest.raises(ValueError, match=message):
        build(terms, causal=True)(torch.zeros(*shape, WIDTH).double())


# What each row of queries comes from: within their sentences; a sentence gone; sentences changing
# places; one sentence with more rows than another; one row each.
ORDERS = [
    [1, 0, 2, 2, 4, 5],
    [0, 1, 5, 4],
    [4, 4, 1, 0, 2, 3],
    [0, 1, 1, 4, 5],
    [5, 2, 0],
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("terms", REPRESENTATIVE_TERMS)
def test_beams_keep_their_keys_when_they_change_places(
    terms: str, need_weights: bool, order: list[int]
) -> None:
    module, (target, source, padding), state = build(terms), inputs(), {}
    options = {"incremental_state": state, "static_kv": True, "need_weights": need_weights}
    expected, _ = module(target[:, order], *(t for t in _select(copies(source, padding), order)))
    module(target[:1], source, source, padding, **options)
    module.reorder_incremental_state(state, torch.tensor(order))
    for step in range(1, TARGET):
        # The keys given from now on must not matter: they are cached.
        found, _ = module(target[step : step + 1, order], torch.zeros_like(source), None, **options)
        torch.testing.assert_close(found, expected[step : step + 1], **CLOSE)
        still = torch.arange(len(order))
        module.reorder_incremental_state(state, still)


def _select(tensors: tuple[torch.Tensor, ...], order: list[int]) -> tuple[torch.Tensor, ...]:
    key, value, padding = tensors
    return key[:, order], value[:, order], padding[order]


def test_keys_are_kept_once_and_stay_in_place() -> None:
    module, (target, source, padding), state = build("1111"), inputs(), {}
    module(target[:1], source, source, padding, incremental_state=state, static_kv=True)
    (before,) = state.values()
    assert before.key.shape == (SENTENCES, 2, SOURCE, WIDTH // 2)
    module.reorder_incremental_state(state, torch.tensor(ORDERS[0]))
    (after,) = state.values()
    assert after.key is before.key


def test_every_row_has_a_dropout_of_its_own() -> None:
    module, (_, source, _) = build("0010", dropout=0.5).train(), inputs()
    same = torch.zeros(1, SENTENCES * BEAM, WIDTH).double()
    output, _ = module(same, source, need_weights=False)
    assert not torch.equal(output[:, 0], output[:, 1])


@pytest.mark.parametrize(
    ("order", "rows_per_key", "kept", "rows"),
    [
        ([0, 0, 1, 1, 2, 2], 1, None, 2),
        ([1, 0, 3, 3, 4, 5], 2, None, 2),
        ([2, 3, 4, 4], 2, [1, 2], 2),
        ([0, 2, 3], 2, [0, 1, 1], 1),
        ([2, 1, 0], 1, [2, 1, 0], 1),
        ([0, 1, 4, 5, 0, 0], 2, [0, 2, 0], 2),
    ],
)
def test_rows_after_reorder(
    order: list[int], rows_per_key: int, kept: list[int] | None, rows: int
) -> None:
    found, found_rows = rows_after_reorder(torch.tensor(order), rows_per_key, 3)
    assert (None if found is None else found.tolist(), found_rows) == (kept, rows)


def test_rows_after_reorder_sees_an_order_that_was_changed_in_place() -> None:
    order = torch.tensor([2, 1, 0])
    rows_after_reorder(order, 1, 3)
    order[0] = 1
    kept, _ = rows_after_reorder(order, 1, 3)
    assert kept is not None
    assert kept.tolist() == [1, 1, 0]


def test_rows_that_cannot_be_shared_out_are_refused() -> None:
    module, (target, source, _) = build("1111"), inputs()
    message = "^`query` must have a multiple of the 3 rows of `key`, but has 5 instead.$"
    with pytest.raises(ValueError, match=message):
        module(target[:, :5], source)
