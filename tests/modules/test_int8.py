"""Products in 8 bits against the roundings that they are documented to be."""

from __future__ import annotations

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from attn_nmt.modules import DeformableConv1d
from attn_nmt.modules import int8 as module
from attn_nmt.modules.int8 import Int8Product, activation_steps, quantize_
from attn_nmt.modules.linear import Linear

pytestmark = pytest.mark.skipif(activation_steps() is None, reason="no 8-bit products here")

SHAPES = [(1, 1, 1), (3, 5, 7), (64, 512, 300), (4, 20, 33, 12), (9, 1, 16), (0, 4, 6)]
"""Rows in one or two axes, width in, width out."""


def rounded(x: Tensor, steps: int) -> Tensor:
    """The rows of x, each in steps of its largest magnitude divided by ``steps``."""
    scale = x.abs().amax(-1, keepdim=True) / steps
    return torch.where(scale > 0, (x / scale).round() * scale, 0.0)


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_product_of_what_was_rounded(shape: tuple[int, ...], has_bias: bool) -> None:
    torch.manual_seed(1)
    *rows, inside, outside = shape
    x, weight, bias = torch.randn(*rows, inside), torch.randn(outside, inside), torch.randn(outside)
    # Rows and channels of very different sizes, and one of each that is zero.
    x = x * torch.logspace(-6, 6, rows[0]).view(-1, *[1] * len(rows))
    weight = weight * torch.logspace(-3, 3, outside)[:, None]
    x[-1:], weight[:1] = 0.0, 0.0
    steps = activation_steps()
    assert steps in (63, 127)
    output = Int8Product(weight, bias if has_bias else None)(x)
    exact = rounded(x.double(), steps) @ rounded(weight.double(), 127).T
    expected = exact + bias.double() if has_bias else exact
    # Ties may be rounded either way in float32.
    size = x.abs().amax(-1, keepdim=True) * weight.abs().amax(1) * inside**0.5
    assert output.shape == (*rows, outside) and output.dtype == torch.float32
    assert ((output.double() - expected).abs() <= 1e-5 + 2e-2 / steps * size).all()


def test_the_largest_numbers_do_not_overflow() -> None:
    x, weight = torch.ones(80, 512), torch.ones(96, 512)
    for sign in (1, -1):
        assert Int8Product(sign * weight, None)(x).allclose(sign * torch.tensor(512.0))


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"), reason="other instructions"
)
@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE"])
def test_a_processor_that_overflows_gets_fewer_steps(instructions: str) -> None:
    """oneDNN is told to leave the newer instructions alone."""
    words = "from attn_nmt.modules.int8 import activation_steps; print(activation_steps())"
    found = subprocess.run(
        [sys.executable, "-c", words],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": instructions},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "63"


def test_no_row_touches_another() -> None:
    product, x = Int8Product(torch.randn(30, 20), torch.randn(30)), torch.randn(50, 20)
    alone = torch.cat([product(row[None]) for row in x])
    assert torch.equal(product(x), alone)
    x[40:] = float("nan")
    assert torch.equal(product(x)[:40], alone[:40])


def test_gradients_take_the_weights_themselves() -> None:
    layer, x = Linear(8, 6), torch.randn(5, 8)
    exact = layer(x)
    quantize_(layer)
    assert torch.equal(layer(x), exact)
    with torch.no_grad():
        found = layer(x)
    assert not torch.equal(found, exact) and found.allclose(exact, atol=0.1)


def test_the_taps_of_a_deformable_convolution_are_quantized() -> None:
    torch.manual_seed(2)
    convolution, x = DeformableConv1d(32, 3), torch.randn(7, 2, 32)
    with torch.no_grad():
        exact = convolution(x)
        quantize_(convolution)
        found = convolution(x)
    assert not torch.equal(found, exact)
    assert found.allclose(exact, atol=0.02 * float(exact.abs().max()))


def test_a_copy_multiplies_alike_and_weights_stay() -> None:
    layer, x = Linear(8, 6), torch.randn(5, 8)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    quantize_(layer)
    copied = copy.deepcopy(layer)
    with torch.no_grad():
        assert torch.equal(copied(x), layer(x))
    after = layer.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_where_there_are_none_they_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for layer, found in (
        (Linear(4, 4).double(), "weight is torch.float64 on cpu instead."),
        (Linear(4, 4).to("meta"), "weight is torch.float32 on meta instead."),
    ):
        with pytest.raises(ValueError, match=found):
            quantize_(layer)
    monkeypatch.setattr(module, "activation_steps", lambda: None)
    with pytest.raises(ValueError, match="^8-bit products need oneDNN, which PyTorch"):
        quantize_(Linear(4, 4))
