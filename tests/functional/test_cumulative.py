"""The cumulative sum in blocks against the plain one, and how the mean is rounded.

The mean's values and gradients are tested with its module.
"""

from __future__ import annotations

import pytest
import torch

from attn_nmt.functional.cumulative import CumulativeMean, cumulative_mean, cumulative_sum


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 63, 64, 65, 100, 320])
def test_cumulative_sum_equals_a_loop(length: int) -> None:
    torch.manual_seed(length)
    x = torch.randn(length, 2, 3, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(length, 2, 3, dtype=torch.float64)
    expected = torch.stack([x[: i + 1].sum(0) for i in range(length)])
    (expected_gradient,) = torch.autograd.grad(expected, x, upstream)
    output = cumulative_sum(x)
    (gradient,) = torch.autograd.grad(output, x, upstream)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize("length", [20, 64, 100])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_no_value_enters_an_earlier_sum(length: int, value: float) -> None:
    x = torch.randn(length, 4)
    before = cumulative_sum(x)
    for position in (1, length // 2, length - 1):
        changed = x.clone()
        changed[position:] = value
        assert torch.equal(cumulative_sum(changed)[:position], before[:position])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_many_steps_in_half_precision_round_no_more_than_one(dtype: torch.dtype) -> None:
    energy, value = torch.zeros(1, 1, 400), torch.rand(1, 1, 400, 8)
    exact = value.cumsum(2) / torch.arange(1, 401)[:, None]
    past: CumulativeMean | None = None
    for step in range(400):
        now = slice(step, step + 1)
        output, past = cumulative_mean(
            energy[..., now].to(dtype), value[:, :, now].to(dtype), None, past
        )
        assert output.dtype == dtype
    # Half a unit in the last place, and what the rounded values add.
    torch.testing.assert_close(
        output.float(), exact[:, :, -1:], rtol=torch.finfo(dtype).eps, atol=0
    )
