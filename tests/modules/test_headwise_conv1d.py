"""Dynamic and lightweight convolution against loops and against fairseq's modules."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
import torch
from fairseq.modules.dynamic_convolution import DynamicConv1dTBC
from fairseq.modules.lightweight_convolution import LightweightConv1dTBC
from support import convolution_reference
from support.batches import SIDES, padding_of, sequence
from support.gradients import assert_same, randomize
from support.terms import patch_block_sizes
from torch.utils._python_dispatch import TorchDispatchMode

from attn_nmt.modules import DynamicConv1d, LightweightConv1d
from attn_nmt.modules.headwise_conv1d import HeadwiseConv1d

WIDTH, HEADS = 6, 3
MODULES = {"dynamic": DynamicConv1d, "lightweight": LightweightConv1d}
# Sentences shorter and longer than the kernel, and than the small blocks of queries.
SIZES = [
    (1, 1),
    (1, 3),
    (2, 7),
    (5, 1),
    (5, 2),
    (5, 3),
    (5, 4),
    (5, 31),
    (9, 5),
    (12, 11),
]
kind = pytest.mark.parametrize("kind", MODULES)


def build(kind: str, kernel_size: int, **options: Any) -> HeadwiseConv1d:
    module = MODULES[kind](WIDTH, kernel_size, HEADS, **options).double()
    randomize(module)
    return module


@pytest.mark.parametrize("glu", [False, True])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("length", "taps"), SIZES)
@kind
def test_equals_the_loops(
    kind: str,
    length: int,
    taps: int,
    causal: bool,
    side: str,
    glu: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patch_block_sizes(monkeypatch)
    module = build(kind, taps, causal=causal, glu=glu)
    x, padding = sequence(length, WIDTH), padding_of(length, side)
    expected = convolution_reference.headwise(
        dict(module.named_parameters()), x, heads=HEADS, taps=taps, causal=causal, padding=padding
    )
    assert_same(module, {"x": x}, expected, module(x, padding))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("length", "taps"), [(1, 3), (4, 7), (9, 5), (40, 3), (100, 31)])
@kind
def test_equals_the_module_of_fairseq(kind: str, length: int, taps: int, causal: bool) -> None:
    """Its modules are right for odd kernels, without padding and without a cache."""
    module, x = build(kind, taps, causal=causal, glu=False), sequence(length, WIDTH)
    stock_class = DynamicConv1dTBC if kind == "dynamic" else LightweightConv1dTBC
    stock = stock_class(
        WIDTH,
        taps,
        padding_l=taps - 1 if causal else taps // 2,
        num_heads=HEADS,
        weight_softmax=True,
    ).double()
    with torch.no_grad():
        if isinstance(module, DynamicConv1d):
            stock.weight_linear.weight.copy_(module.kernel_proj.weight)
        else:
            stock.weight.copy_(module.weight.unsqueeze(1))
    # fairseq's lightweight kernel takes its softmax in float32.
    close = {"rtol": 1e-4, "atol": 1e-4}
    expected = module.out_proj(stock(module.in_proj(x)))
    torch.testing.assert_close(module(x), expected, **close)
    (grad,) = torch.autograd.grad(module(x).sin().sum(), x)
    (right,) = torch.autograd.grad(expected.sin().sum(), x)
    torch.testing.assert_close(grad, right, **close)


@kind
def test_kernels_sum_up_to_one_over_all_taps(kind: str) -> None:
    """A constant sentence stays constant inside, and loses what reaches out of it."""
    module, taps, length = build(kind, 5, glu=False), 5, 12
    for proj in (module.in_proj, module.out_proj):
        torch.nn.init.eye_(proj.weight)
        torch.nn.init.zeros_(proj.bias)
    with torch.no_grad():
        output = module(torch.ones(length, 1, WIDTH, dtype=torch.float64))
    inside = output[taps // 2 : -(taps // 2)]
    torch.testing.assert_close(inside, torch.ones_like(inside))
    assert (output[[0, 1, -2, -1]] < 1).all()


@kind
def test_entries_of_kernels_are_dropped_in_training_only(kind: str) -> None:
    module, x = build(kind, 5, dropout=0.5), sequence(8, WIDTH)
    assert not torch.equal(module(x), module(x))
    module.eval()
    torch.testing.assert_close(module(x), module(x), rtol=0, atol=0)
    everything = build(kind, 5, dropout=1.0)
    found = everything(x)
    torch.testing.assert_close(found, everything.out_proj.bias.expand_as(found))


def test_dropped_entries_keep_the_mean() -> None:
    torch.manual_seed(1)
    module, x = build("dynamic", 3, dropout=0.3), sequence(4, WIDTH).detach()
    # Every row draws for itself, so one batch is as good as many calls.
    rows = x.repeat(1, 20000, 1)
    mean = module(rows).view(len(x), 20000, *x.shape[1:]).mean(1)
    torch.testing.assert_close(mean, module.eval()(x), rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"num_heads": 4},
            "`embed_dim` must be a positive multiple of `num_heads`, but is 6 for 4 heads instead.",
        ),
        ({"kernel_size": 0}, "`kernel_size` must be positive, but is 0 instead."),
        ({"dropout": 1.5}, "`dropout` must lie between 0 and 1, but is 1.5 instead."),
    ],
)
@kind
def test_wrong_arguments_are_refused(kind: str, options: dict[str, Any], message: str) -> None:
    values = {"embed_dim": WIDTH, "kernel_size": 3, "num_heads": HEADS, **options}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        MODULES[kind](**values)


@kind
def test_initial_values_lie_within_glorots_bounds(kind: str) -> None:
    for name, parameter in MODULES[kind](64, 31, 16).named_parameters():
        if name.endswith("bias"):
            assert parameter.eq(0).all()
            continue
        bound = (6 / sum(parameter.shape)) ** 0.5
        assert 0.9 * bound < parameter.abs().max() <= bound, name


@kind
def test_the_signature_is_that_of_the_contract(kind: str) -> None:
    assert str(inspect.signature(MODULES[kind])) == (
        "(embed_dim: 'int', kernel_size: 'int', num_heads: 'int' = 16, *, causal: 'bool' = False, "
        "dropout: 'float' = 0.0, glu: 'bool' = True) -> 'None'"
    )


@kind
def test_a_printed_module_says_what_it_computes(kind: str) -> None:
    printed = str(MODULES[kind](8, 5, 2, causal=True, glu=False))
    assert "kernel_size=5, heads=2, glu=False, causal=True" in printed


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@kind
def test_kernels_of_half_precision_are_normalised_in_float32(kind: str, dtype: torch.dtype) -> None:
    class Inputs(TorchDispatchMode):
        def __torch_dispatch__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if "softmax" in str(function):
                seen.append((kwargs or {}).get("dtype") or args[0].dtype)
            return function(*args, **(kwargs or {}))

    seen: list[torch.dtype] = []
    module, x = build(kind, 5).to(dtype), sequence(4, WIDTH).detach().to(dtype)
    with Inputs():
        kernels = module.kernels(module.gate(x))
    assert kernels.dtype == dtype and seen[-1] == torch.float32


def test_an_entry_of_a_lightweight_kernel_is_dropped_for_the_whole_batch() -> None:
    module = build("lightweight", 5, dropout=0.5)
    x = sequence(8, WIDTH).detach()[:, :1].expand(-1, 4, -1)
    found = module(x)
    torch.testing.assert_close(found, found[:, :1].expand_as(found))
