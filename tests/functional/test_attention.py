"""Masks, the softmax over allowed keys, and the two kernels against the formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.reference import is_allowed
from torch.utils._python_dispatch import TorchDispatchMode

from attn_nmt.functional.attention import (
    Kernel,
    align_rows,
    distance_mask,
    fused_attention,
    masked_softmax,
    matmul_attention,
)
from attn_nmt.functional.relative_position import relative_shift

CPU = torch.device("cpu")

BATCH, HEADS, QUERIES, KEYS, WIDTH = 2, 3, 5, 7, 4
BIASES = {
    "none": None,
    "full": (BATCH, HEADS, QUERIES, KEYS),
    "shared": (1, HEADS, QUERIES, KEYS),
    "by key": (BATCH, HEADS, 1, KEYS),
}


def blocked_keys(kind: str) -> torch.Tensor | None:
    """Return a mask, True = blocked; in "padding" all keys of the second sentence are."""
    if kind == "none":
        return None
    if kind == "causal":
        return torch.ones(QUERIES, KEYS, dtype=torch.bool).triu(1)
    padding = torch.zeros(BATCH, 1, 1, KEYS, dtype=torch.bool)
    padding[0, ..., 4:] = padding[1] = True
    return padding


@pytest.mark.parametrize("kernel", [fused_attention, matmul_attention])
@pytest.mark.parametrize("mask", ["none", "causal", "padding"])
@pytest.mark.parametrize("shape", BIASES)
def test_a_kernel_equals_the_formula_in_value_and_gradient(
    shape: str, mask: str, kernel: Kernel
) -> None:
    torch.manual_seed(1)
    sizes = [(QUERIES, WIDTH), (KEYS, WIDTH), (KEYS, WIDTH)]
    query, key, value = (torch.randn(BATCH, HEADS, *size).double() for size in sizes)
    size, blocked = BIASES[shape], blocked_keys(mask)
    inputs = (
        [query, key, value] if size is None else [query, key, value, torch.randn(size).double()]
    )
    inputs = [tensor.requires_grad_() for tensor in inputs]
    bias = inputs[3] if size is not None else None

    weights = (query @ key.transpose(-1, -2) + (0.0 if bias is None else bias)).exp()
    if blocked is not None:
        weights = weights * ~blocked
    expected = weights @ value / weights.sum(-1, keepdim=True).clamp(min=1e-30)
    found = kernel(query, key, value, bias, blocked, dropout=0.0)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    upstream = torch.randn_like(expected)
    pairs = zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        strict=True,
    )
    for gradient, wanted in pairs:
        torch.testing.assert_close(gradient, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("lengths", [(1, 1), (1, 8), (5, 8), (13, 13), (13, 24), (24, 13)])
def test_each_row_of_an_aligned_bias_begins_at_a_multiple_of_eight_elements(
    lengths: tuple[int, int],
) -> None:
    query_length, key_length = lengths
    by_distance = torch.randn(HEADS, query_length, BATCH, sum(lengths) - 1)
    shifted = relative_shift(by_distance, key_length)
    aligned = align_rows(shifted)
    assert torch.equal(aligned, shifted)
    starts = [aligned.storage_offset(), *aligned.stride()[:-1]]
    assert all(start % 8 == 0 for start in starts), starts
    assert aligned.stride(-1) == 1


@pytest.mark.parametrize("query_offset", [0, 3])
@pytest.mark.parametrize("span", [None, 1, 3, 5])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("query_length", "key_length"), [(1, 1), (1, 4), (4, 4), (5, 2), (2, 6)])
def test_a_distance_mask_blocks_what_is_out_of_the_window(
    query_length: int, key_length: int, causal: bool, span: int | None, query_offset: int
) -> None:
    backward = forward = None
    if span is not None:
        backward, forward = (span - 1, 0) if causal else (span // 2, span // 2)
    elif causal:
        forward = 0
    blocked = distance_mask(
        query_length,
        key_length,
        query_offset=query_offset,
        backward=backward,
        forward=forward,
        device=CPU,
    )
    for i in range(query_length):
        for j in range(key_length):
            found = blocked is None or not blocked[i, j]
            assert found == is_allowed(i + query_offset, j, causal=causal, span=span)


def test_no_mask_is_built_for_a_step_of_one_token() -> None:
    assert distance_mask(1, 5, query_offset=4, backward=None, forward=0, device=CPU) is None


def test_query_with_no_allowed_key_gets_zeros_and_finite_gradients() -> None:
    energy = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    blocked = torch.tensor([[False] * 4, [True] * 4, [True, False, True, True]])
    weights = masked_softmax(energy, blocked)
    assert weights[1].eq(0).all()
    assert weights[2].tolist() == [0, 1, 0, 0]
    (gradient,) = torch.autograd.grad((weights * torch.randn(3, 4)).sum(), energy)
    assert gradient.isfinite().all()
    assert gradient[1].eq(0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("blocked", [None, torch.tensor([[False, True, False]])])
def test_softmax_of_half_precision_is_summed_in_float32(
    dtype: torch.dtype, blocked: torch.Tensor | None
) -> None:
    class Inputs(TorchDispatchMode):
        """Notes the type of what the softmax gets: rounding cannot be told from its result."""

        def __torch_dispatch__(
            self, op: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if op is torch.ops.aten._softmax.default:
                seen.append(args[0].dtype)
            return op(*args, **(kwargs or {}))

    seen: list[torch.dtype] = []
    with Inputs():
        weights = masked_softmax(torch.randn(2, 3).to(dtype), blocked)
    assert weights.dtype == dtype
    assert seen == [torch.float32]


def test_softmax_of_float64_stays_float64() -> None:
    energy = torch.randn(2, 5, dtype=torch.float64)
    assert torch.equal(masked_softmax(energy, None), energy.softmax(-1))
