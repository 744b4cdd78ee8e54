"""Which keys are blocked, and the softmax over the rest."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.reference import is_allowed
from torch.utils._python_dispatch import TorchDispatchMode

from attn_nmt.functional.masking import masked_softmax, out_of_reach

CPU = torch.device("cpu")


@pytest.mark.parametrize("query_offset", [0, 3])
@pytest.mark.parametrize("span", [None, 1, 3, 5])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("query_length", "key_length"), [(1, 1), (1, 4), (4, 4), (5, 2), (2, 6)])
def test_reach(
    query_length: int, key_length: int, causal: bool, span: int | None, query_offset: int
) -> None:
    backward = forward = None
    if span is not None:
        backward, forward = (span - 1, 0) if causal else (span // 2, span // 2)
    elif causal:
        forward = 0
    blocked = out_of_reach(
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


def test_no_mask_is_built_for_one_more_token() -> None:
    assert out_of_reach(1, 5, query_offset=4, backward=None, forward=0, device=CPU) is None


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
def test_half_precision_is_summed_in_float32(
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


def test_float64_stays_float64() -> None:
    energy = torch.randn(2, 5, dtype=torch.float64)
    assert torch.equal(masked_softmax(energy, None), energy.softmax(-1))
