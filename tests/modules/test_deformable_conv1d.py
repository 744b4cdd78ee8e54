"""Deformable convolution against the double loop of Equation 4, and against nn.Conv1d."""

from __future__ import annotations

import copy
import inspect
import re
from typing import Any

import pytest
import torch
from support import convolution_reference
from support.batches import BATCH, SIDES, padding_of, sequence
from support.gradients import assert_same, randomize
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter

from attn_nmt.functional.deformable import neighbours
from attn_nmt.modules import DeformableConv1d

WIDTH = 5
KERNELS = [1, 2, 3, 5]


def build(kernel_size: int = 3, *, seed: int = 0, **options: Any) -> DeformableConv1d:
    module = DeformableConv1d(WIDTH, kernel_size, **options).double()
    randomize(module, seed)
    return module


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kernel_size", KERNELS)
@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_equals_the_double_loop(length: int, kernel_size: int, causal: bool, side: str) -> None:
    for scale in (0.1, 1.0):
        module = build(kernel_size, causal=causal, offset_lr_scale=scale, seed=length)
        x, padding = sequence(length, WIDTH), padding_of(length, side)
        expected = convolution_reference.deformable(
            dict(module.named_parameters()),
            x,
            offset_lr_scale=scale,
            causal=causal,
            padding=padding,
        )
        assert_same(module, {"x": x}, expected, module(x, padding))


@pytest.mark.parametrize("causal", [False, True])
def test_gradients_are_those_of_finite_differences(causal: bool) -> None:
    module, x = build(causal=causal, offset_lr_scale=1.0), sequence(6, WIDTH)
    # The interpolation has a kink at every token, where differences say nothing.
    fraction = module.offsets(x).remainder(1.0)
    assert min(fraction.min(), (1 - fraction).min()) > 1e-4
    names, parameters = zip(*module.named_parameters(), strict=True)

    def call(x: Tensor, *values: Tensor) -> Tensor:
        named = dict(zip(names, values, strict=True))
        output: Tensor = torch.func.functional_call(module, named, (x,))
        return output

    assert torch.autograd.gradcheck(call, (x, *parameters))


@pytest.mark.parametrize("length", [1, 2, 9])
@pytest.mark.parametrize(
    ("kernel_size", "causal"),
    [(1, False), (3, False), (5, False), (1, True), (2, True), (3, True), (5, True)],
)
def test_without_offsets_it_is_conv1d(kernel_size: int, causal: bool, length: int) -> None:
    module, x = build(kernel_size, causal=causal), sequence(length, WIDTH)
    nn.init.zeros_(module.offset_proj.weight)
    back = kernel_size - 1 if causal else kernel_size // 2
    padded = nn.functional.pad(x.permute(1, 2, 0), (back, kernel_size - 1 - back))
    plain = nn.functional.conv1d(padded, module.weight, module.bias).permute(2, 0, 1)
    found = module(x)
    torch.testing.assert_close(found, plain)
    leaves, direction = (module.weight, module.bias), torch.randn_like(plain)
    for grad, right in zip(
        torch.autograd.grad((found * direction).sum(), leaves),
        torch.autograd.grad((plain * direction).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(grad, right)


def test_it_begins_as_an_ordinary_convolution() -> None:
    module, x = DeformableConv1d(WIDTH).double(), sequence(4, WIDTH)
    assert module.offsets(x).shape == (4, BATCH, 3)
    assert not module.offsets(x).any()
    module(x).pow(2).sum().backward()
    assert module.offset_proj.weight.grad is not None
    assert module.offset_proj.weight.grad.abs().min() > 0


def test_a_batch_may_come_in_any_layout() -> None:
    module, x = build(), sequence(6, WIDTH)
    batch_first = x.transpose(0, 1).contiguous().transpose(0, 1)
    torch.testing.assert_close(module(batch_first), module(x))


@pytest.mark.parametrize("far", [1e4, -1e4, 1e30, float("inf")])
@pytest.mark.parametrize("causal", [False, True])
def test_far_offsets_read_nothing(far: float, causal: bool) -> None:
    module, x = build(causal=causal), torch.ones(4, BATCH, WIDTH, dtype=torch.float64)
    nn.init.constant_(module.offset_proj.weight, far)
    output = module(x)
    torch.testing.assert_close(output, module.bias.expand_as(output))


def test_an_offset_that_is_no_number_shows() -> None:
    """fairseq stops, or rescales half precision, when it sees one in the loss."""
    module, x = build(), sequence(4, WIDTH).detach()
    nn.init.constant_(module.offset_proj.weight, float("nan"))
    assert module(x).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_reads_the_right_token_of_a_long_sentence(dtype: torch.dtype) -> None:
    """Neither type has the number 2,049 (bfloat16 not even 257)."""
    module = DeformableConv1d(WIDTH, 1).to(dtype)
    nn.init.eye_(module.weight.detach().squeeze(-1))
    x = torch.randn(3000, 1, WIDTH).to(dtype)
    assert torch.equal(module(x), x)


def test_padding_may_hold_anything() -> None:
    module, x, mask = build(), sequence(6, WIDTH).detach(), padding_of(6, "right")
    expected = module(x, mask)
    x[-2:, 1] = float("nan")
    torch.testing.assert_close(module(x, mask)[:4, :2], expected[:4, :2])


def test_offsets_learn_at_a_tenth_of_the_rate() -> None:
    """50 steps of Adam, beside a twin whose offsets are not scaled."""
    twins, x = {}, sequence(12, WIDTH)
    target = torch.randn_like(x)
    for scale in (0.1, 1.0):
        torch.manual_seed(2)
        twins[scale] = DeformableConv1d(WIDTH, offset_lr_scale=scale).double()
    moved: dict[float, dict[str, float]] = {}
    for scale, module in twins.items():
        before = copy.deepcopy(module)
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, betas=(0.9, 0.98))
        for _ in range(50):
            optimizer.zero_grad()
            (module(x) - target).pow(2).mean().backward(inputs=list(module.parameters()))
            optimizer.step()
        moved[scale] = {
            "offsets": (module.offsets(x) - before.offsets(x)).abs().mean().item(),
            "weight": (module.weight - before.weight).abs().mean().item(),
        }
    assert moved[0.1]["offsets"] / moved[1.0]["offsets"] == pytest.approx(0.1, rel=0.1)
    assert moved[0.1]["weight"] / moved[1.0]["weight"] == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_statistics_are_those_of_a_count_by_hand(causal: bool, padded: bool) -> None:
    module, x = build(causal=causal, offset_lr_scale=1.0), sequence(7, WIDTH).detach()
    padding = padding_of(7, "right") if padded else None
    module.records_statistics = True
    module(x, padding)
    found, offsets = module.statistics, module.offsets(x)
    assert found is not None
    seen, outside = [], 0.0
    for b in range(BATCH):
        tokens = [q for q in range(7) if padding is None or not padding[b, q]]
        for q in tokens:
            for m in range(3):
                seen.append(abs(offsets[q, b, m].item()))
                position = q + m - (2 if causal else 1) + offsets[q, b, m].item()
                readable = range(q + 1) if causal else tokens
                outside += 1 - sum(max(0.0, 1 - abs(k - position)) for k in readable)
    assert found.count == len(seen)
    assert found.mean.item() == pytest.approx(sum(seen) / len(seen))
    assert found.maximum.item() == pytest.approx(max(seen))
    assert found.outside.item() == pytest.approx(outside / len(seen))


def test_statistics_are_of_training_only() -> None:
    module = build().eval()
    module.records_statistics = True
    module(sequence(3, WIDTH))
    assert module.statistics is None


def test_many_small_steps_fill_one_buffer() -> None:
    """Without gradients a step writes into room kept for it; the result is that of one pass."""
    module, x, state = build(causal=True), sequence(40, WIDTH), {}
    with torch.no_grad():
        rooms, found = [], []
        for part in x.split(1):
            found.append(module(part, None, state))
            rooms.append(len(next(iter(state.values())).rows) // x.size(1))
    torch.testing.assert_close(torch.cat(found), module(x))
    assert sorted(set(rooms)) == rooms[:1] + [6, 14, 30, 62]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embed_dim": 0}, "`embed_dim` must be positive, but is 0 instead."),
        ({"kernel_size": 0}, "`kernel_size` must be positive, but is 0 instead."),
        ({"offset_lr_scale": 0.0}, "`offset_lr_scale` must be positive, but is 0.0 instead."),
        ({"offset_lr_scale": -1.0}, "`offset_lr_scale` must be positive, but is -1.0 instead."),
        (
            {"offset_lr_scale": float("nan")},
            "`offset_lr_scale` must be positive, but is nan instead.",
        ),
    ],
)
def test_wrong_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DeformableConv1d(**{"embed_dim": WIDTH, **options})


def test_initial_values_lie_within_glorots_bounds() -> None:
    module = DeformableConv1d(64, 3)
    bound = (6 / (2 * 64 * 3)) ** 0.5
    assert 0.9 * bound < module.weight.abs().max() <= bound
    assert module.bias.eq(0).all() and module.offset_proj.weight.eq(0).all()


def test_the_gradient_at_a_token_is_that_of_its_right_side() -> None:
    """Offsets begin at zero, where the interpolation has a kink."""
    x = torch.randn(6).double()
    position = torch.arange(5.0).double().view(-1, 1, 1).requires_grad_()
    token, weight = neighbours(position, length=6, last=5)
    (gradient,) = torch.autograd.grad((x[token] * weight).sum(), position)
    torch.testing.assert_close(gradient.flatten(), x[1:] - x[:-1])


def test_one_compilation_serves_few_tokens_and_many() -> None:
    """On either side of the size at which the order of the product changes."""
    module, counter = DeformableConv1d(64), CompileCounter()
    compiled = torch.compile(module, backend=counter, dynamic=True)
    for length in (5, 9, 40, 100):
        x = torch.randn(length, 3, 64)
        torch.testing.assert_close(compiled(x), module(x), rtol=1e-4, atol=1e-5)
    assert counter.frame_count == 1


def test_the_signature_is_that_of_the_contract() -> None:
    assert str(inspect.signature(DeformableConv1d)) == (
        "(embed_dim: 'int', kernel_size: 'int' = 3, *, causal: 'bool' = False, "
        "offset_lr_scale: 'float' = 0.1) -> 'None'"
    )


def test_a_printed_module_says_what_it_computes() -> None:
    assert "kernel_size=3, causal=True" in str(DeformableConv1d(8, causal=True))
