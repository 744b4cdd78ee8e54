"""The backends against the one that computes every weight, and what they must not do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gradients import assert_same, randomize
from support.terms import REPRESENTATIVE_TERMS, patch_block_sizes

from attn_nmt.functional import attention
from attn_nmt.functional.energies import EnergyInputs, EnergySum, sum_energies
from attn_nmt.modules import RelativeMultiheadAttention
from attn_nmt.modules.kv_cache import KVCache
from attn_nmt.modules.relative_attention import AttentionInputs, Backend
from attn_nmt.terms import ALL_TERMS, AttentionTerms

WIDTH, BATCH = 8, 2


def build(terms: str, **options: Any) -> RelativeMultiheadAttention:
    module = RelativeMultiheadAttention(WIDTH, 2, terms=terms, **options).double()
    randomize(module)
    return module


def assert_fast_equals_explicit(
    module: RelativeMultiheadAttention,
    query_length: int,
    key_length: int | None,
    padding: torch.Tensor | None,
) -> None:
    query = torch.randn(query_length, BATCH, WIDTH).double().requires_grad_()
    key = query
    if key_length is not None:
        key = torch.randn(key_length, BATCH, WIDTH).double().requires_grad_()
    explicit, _ = module(query, key, key, padding)
    fast, _ = module(query, key, key, padding, need_weights=False)
    assert_same(module, {"query": query, "key": key}, explicit, fast)


# Around one and several blocks of 32 queries, and chunks of 64 keys.
@pytest.mark.parametrize("length", [32, 65, 150])
@pytest.mark.parametrize("span", [None, 3, 41])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("terms", REPRESENTATIVE_TERMS)
def test_all_backends_agree_on_long_sequences(
    terms: str, causal: bool, span: int | None, length: int
) -> None:
    padding = torch.zeros(BATCH, length, dtype=torch.bool)
    padding[0, : length // 2] = True
    padding[1, -3:] = True
    module = build(terms, span=span, causal=causal)
    assert_fast_equals_explicit(module, length, None, padding)


@pytest.mark.parametrize("span", [None, 41])
@pytest.mark.parametrize("terms", REPRESENTATIVE_TERMS)
def test_all_backends_agree_where_no_gradient_is_asked_for(terms: str, span: int | None) -> None:
    """Then fused attention takes a bias on the CPU, too."""
    length, module = 150, build(terms, span=span).eval()
    x, padding = torch.randn(length, BATCH, WIDTH).double(), torch.zeros(BATCH, length) > 0
    padding[0, 100:] = True
    with torch.no_grad():
        expected, _ = module(x, key_padding_mask=padding)
        found, _ = module(x, key_padding_mask=padding, need_weights=False)
    torch.testing.assert_close(found, expected)


@settings(max_examples=200)
@given(data=st.data())
def test_all_backends_agree_on_any_shape_and_padding(data: st.DataObject) -> None:
    """Padding in any place, queries before and after the keys, sentences of nothing but padding."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        patch_block_sizes(monkeypatch)
        draw_and_compare(data)


def draw_and_compare(data: st.DataObject) -> None:
    # What hypothesis does not draw must be the same when it replays an example.
    torch.manual_seed(data.draw(st.integers(0, 2**31), "seed"))
    causal = data.draw(st.booleans(), "causal")
    span = data.draw(st.none() | st.integers(0, 4).map(lambda n: 2 * n + 1), "span")
    query_length = data.draw(st.integers(1, 13), "Lq")
    key_length = data.draw(st.integers(1, 13), "Lk") if not causal else query_length
    bits = st.lists(st.booleans(), min_size=BATCH * key_length, max_size=BATCH * key_length)
    padding = data.draw(st.none() | bits.map(torch.tensor), "padding")
    module = build(data.draw(st.sampled_from(ALL_TERMS), "terms"), span=span, causal=causal)
    mask = None if padding is None else padding.view(BATCH, key_length)
    assert_fast_equals_explicit(module, query_length, key_length, mask)


@pytest.mark.parametrize("steps", [[1] * 140, [40, 1, 70, 29], [100, 40]])
@pytest.mark.parametrize("span", [None, 3, 41])
@pytest.mark.parametrize("terms", ["0000", "0010", "0001", "1111"])
def test_long_decoding_step_by_step_equals_the_full_pass(
    terms: str, span: int | None, steps: list[int]
) -> None:
    module, state = build(terms, span=span, causal=True).eval(), {}
    x = torch.randn(sum(steps), BATCH, WIDTH).double()
    found = [
        module(part, incremental_state=state, need_weights=False)[0] for part in x.split(steps)
    ]
    expected, _ = module(x)
    torch.testing.assert_close(torch.cat(found), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("terms", "options", "length", "dtype", "learning", "need_weights", "backend"),
    [
        ("0010", {}, 4, torch.float64, True, False, Backend.SENTENCE_MEAN),
        ("0000", {}, 4, torch.float64, True, True, Backend.SENTENCE_MEAN),
        ("0010", {"causal": True}, 4, torch.float64, True, False, Backend.CUMULATIVE_MEAN),
        ("0010", {"causal": True}, 4, torch.float64, True, True, Backend.WEIGHTS),
        ("0010", {"span": 3}, 4, torch.float64, True, False, Backend.BIAS),
        ("0010", {"dropout": 0.1}, 4, torch.float64, True, False, Backend.BIAS),
        ("0001", {}, 4, torch.float64, True, False, Backend.BIAS),
        ("0111", {}, 200, torch.bfloat16, False, False, Backend.BIAS),
        ("1111", {}, 4, torch.float64, True, True, Backend.WEIGHTS),
        ("1111", {}, 200, torch.float64, True, False, Backend.MATMUL),
        ("1111", {}, 128, torch.float64, False, False, Backend.FUSED),
        ("1000", {}, 127, torch.float32, True, False, Backend.MATMUL),
        ("1000", {}, 128, torch.float32, True, False, Backend.FUSED),
        ("1010", {"span": 3}, 200, torch.float32, True, False, Backend.MATMUL),
        ("1000", {}, 4, torch.bfloat16, False, False, Backend.FUSED),
    ],
)
def test_the_backend_is_the_first_of_the_table_that_applies(
    terms: str,
    options: dict[str, Any],
    length: int,
    dtype: torch.dtype,
    learning: bool,
    need_weights: bool,
    backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen: list[Backend] = []
    select = RelativeMultiheadAttention.select_backend

    def record(module: RelativeMultiheadAttention, inputs: AttentionInputs) -> Backend:
        chosen.append(select(module, inputs))
        return chosen[-1]

    monkeypatch.setattr(RelativeMultiheadAttention, "select_backend", record)
    module = build(terms, **options).to(dtype).train()
    with torch.set_grad_enabled(learning):
        module(torch.randn(length, BATCH, WIDTH, dtype=dtype), need_weights=need_weights)
    assert chosen == [backend]


@pytest.mark.parametrize("need_weights", [False, True])
def test_a_term_that_no_backend_used_is_an_error(
    need_weights: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(x: EnergyInputs, terms: AttentionTerms, **options: Any) -> EnergySum:
        return sum_energies(x, replace(terms, position_only=False), **options)

    monkeypatch.setattr(attention, "sum_energies", forgetful)
    with pytest.raises(AssertionError, match="^every enabled term enters once$"):
        build("1111")(torch.randn(4, BATCH, WIDTH).double(), need_weights=need_weights)


def elements(state: dict[str, Any]) -> int:
    (cache,) = state.values()
    # The table of distances is measured by a test of its own.
    kept = cache._replace(position_table=None) if isinstance(cache, KVCache) else cache
    return sum(tensor.numel() for tensor in kept if isinstance(tensor, torch.Tensor))


@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize(
    ("terms", "span", "most"),
    [("0010", None, 0), ("0000", None, 0), ("1111", 5, 4), ("0001", 5, 4)],
)
def test_the_cache_does_not_grow(terms: str, span: int | None, most: int, learning: bool) -> None:
    """Terms without query keep a mean and its energy, a span the keys within it."""
    module, state = build(terms, span=span, causal=True).eval(), {}
    sizes, buffers = [], []
    for _ in range(100):
        x = torch.randn(1, BATCH, WIDTH).double()
        with torch.set_grad_enabled(learning):
            module(x, incremental_state=state, need_weights=False)
        sizes.append(elements(state))
        (cache,) = state.values()
        if isinstance(cache, KVCache) and cache.past_value is not None:
            buffers.append(len(cache.past_value.buffer))
    keys_and_values = 2 if module.terms.uses_key else 1
    # Of a mean, the energy of both heads.
    fixed = 2 * BATCH if most == 0 else 0
    assert sizes[-1] == max(most * keys_and_values, 1) * BATCH * WIDTH + fixed
    assert sizes[-1] == sizes[10]
    assert bool(buffers) == bool(most)
    assert not buffers or max(buffers) == buffers[10]


def test_energies_far_apart_do_not_overflow() -> None:
    """A running mean by plain sums of exponentials would be inf / inf, or 0 / 0."""
    module = build("0010", causal=True).float()
    x = torch.randn(200, BATCH, WIDTH) * 300
    plain, _ = module(x)
    fast, _ = module(x, need_weights=False)
    energies = module.energies(x, x)["key_only"]
    assert energies.max() - energies.min() > 1000
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("terms", ALL_TERMS)
def test_dropout_is_drawn_for_each_query(terms: str) -> None:
    """Shared weights must not mean shared dropout."""
    module = build(terms, dropout=0.5).train()
    x = torch.randn(1, 1, WIDTH).double().expand(6, 1, WIDTH)
    fast, _ = module(x, need_weights=False)
    assert len(fast.squeeze(1).unique(dim=0)) > 1


@pytest.mark.parametrize(
    ("terms", "length", "need_weights"),
    [("1111", 4, True), ("0001", 4, False), ("1111", 4, False), ("1000", 128, False)],
    ids=["weights", "bias", "matmul", "fused"],
)
def test_the_probability_of_dropout_is_that_of_the_module(
    terms: str, length: int, need_weights: bool
) -> None:
    """With 1 nothing is left of the values; each of these reaches another backend."""
    module = build(terms, dropout=1.0).train()
    output, _ = module(torch.randn(length, BATCH, WIDTH).double(), need_weights=need_weights)
    torch.testing.assert_close(output, module.out_proj.bias.expand_as(output))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_half_precision_come_of_energies_summed_in_float32(dtype: torch.dtype) -> None:
    # Two terms that share no product.
    module, x = build("0110").to(dtype), 6 * torch.randn(9, BATCH, WIDTH).to(dtype)
    with torch.no_grad():
        energies = [energy.double() for energy in module.energies(x, x).values()]
        _, weights = module(x, need_head_weights=True)
    expected = sum(energies, torch.zeros(())).softmax(-1)
    assert max(float(energy.abs().max()) for energy in energies) > 8, "or else rounding is small"
    # The energies are rounded to this type, and the weights, but not what is in between.
    found = weights.transpose(0, 1).double()
    torch.testing.assert_close(found, expected, rtol=torch.finfo(dtype).eps, atol=1e-4)


@pytest.mark.parametrize("late", ["need_weights", "attn_mask"])
def test_weights_are_refused_after_a_step_that_kept_no_keys(late: str) -> None:
    module, state = build("0010", causal=True).eval(), {}
    x = torch.randn(1, BATCH, WIDTH).double()
    module(x, incremental_state=state, need_weights=False)
    message = "^`need_weights` and `attn_mask` must be given from the first decoding step on, .*$"
    mask = torch.zeros(1, 2, dtype=torch.bool) if late == "attn_mask" else None
    with pytest.raises(ValueError, match=message):
        module(x, incremental_state=state, need_weights=late == "need_weights", attn_mask=mask)


def test_a_span_keeps_no_distances_out_of_reach() -> None:
    module, state = build("1111", span=5, causal=True).eval(), {}
    with torch.no_grad():
        for _ in range(40):
            module(torch.randn(1, BATCH, WIDTH).double(), incremental_state=state)
    (cache,) = state.values()
    assert cache.position_table.size(1) <= 4 * 5


def test_positions_are_projected_once_in_a_search() -> None:
    module, calls = build("0100", causal=True).eval(), []
    module.r_proj.register_forward_hook(lambda *_: calls.append(1))
    state: dict[str, Any] = {}
    with torch.no_grad():
        for _ in range(16):
            module(torch.randn(1, BATCH, WIDTH).double(), incremental_state=state)
    # The table doubles when a distance falls outside.
    assert len(calls) <= 5


@pytest.mark.parametrize("caching", [False, True])
@pytest.mark.parametrize("change", ["step", "data", "load", "half"])
def test_positions_follow_the_weight(change: str, caching: bool) -> None:
    """Validation after training steps; fairseq's optimizers write to ``data``."""
    module, x = build("0100", causal=True).eval(), torch.randn(5, BATCH, WIDTH).double()

    def search() -> dict[str, Any]:
        return {"incremental_state": {} if caching else None}

    with torch.no_grad():
        before, _ = module(x, **search())
    if change == "step":
        with torch.no_grad():
            module.r_proj.weight.mul_(2)
    elif change == "data":
        module.r_proj.weight.data.mul_(2)
    elif change == "load":
        state = {name: 2 * tensor for name, tensor in module.state_dict().items()}
        module.load_state_dict(state)
    else:
        module, x = module.float(), x.float()
    expected, _ = module(x)
    with torch.no_grad():
        found, _ = module(x, **search())
    torch.testing.assert_close(found, expected)
    assert change == "half" or not torch.allclose(found, before)


@pytest.mark.parametrize("terms", ["0010", "0000"])
@pytest.mark.parametrize("causal", [False, True])
def test_terms_of_the_key_alone_build_nothing_square(terms: str, causal: bool) -> None:
    """The largest tensor of a pass over L positions grows with L, not with its square."""
    largest = {}
    for length in (256, 1024):
        module, sizes = build(terms, causal=causal), []
        with Recorder(sizes):
            module(torch.randn(length, 1, WIDTH).double(), need_weights=False)
        largest[length] = max(sizes)
    assert largest[1024] <= 4 * largest[256]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("terms", ALL_TERMS)
def test_a_span_builds_nothing_square(terms: str, causal: bool) -> None:
    largest = {}
    for length in (256, 1024):
        module, sizes = build(terms, span=9, causal=causal), []
        with Recorder(sizes):
            module(torch.randn(length, 1, WIDTH).double(), need_weights=False)
        largest[length] = max(sizes)
    assert largest[1024] <= 4 * largest[256]


@pytest.mark.parametrize("terms", ALL_TERMS)
def test_no_tensor_has_channels_for_every_pair(terms: str) -> None:
    length, sizes = 96, []
    module = RelativeMultiheadAttention(64, 2, terms=terms).double()
    with Recorder(sizes):
        module(torch.randn(length, 1, 64).double(), need_weights=False)
    assert max(sizes) < length * length * 64


class Recorder(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the number of elements of every tensor that is made."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.sizes = sizes

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.sizes.append(tensor.numel())
        return result
