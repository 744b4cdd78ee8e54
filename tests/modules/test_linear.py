"""The linear map by convolution against the plain product."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from attn_nmt.modules import linear as module
from attn_nmt.modules.linear import Linear, linear

SHAPES = [(64, 321, 7), (20500, 1, 3), (9, 8, 300, 1), (3, 5, 8), (4, 20, 333, 12), (0, 4, 6)]
"""Rows in one or two axes, width in, width out; some with fewer rows than pay."""


chosen_here = module._has_faster_convolution


@pytest.fixture(autouse=True, params=[True, False], ids=["convolution", "product"])
def convolves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whatever this machine would choose."""
    chosen = bool(request.param)
    monkeypatch.setattr(module, "_has_faster_convolution", lambda: chosen)
    return chosen


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_product(shape: tuple[int, ...], has_bias: bool, transposed: bool) -> None:
    torch.manual_seed(1)
    *rows, inside, outside = shape
    x, weight, bias = torch.randn(*rows, inside), torch.randn(outside, inside), torch.randn(outside)
    if transposed and len(rows) == 2:
        x = x.transpose(0, 1)
    given = [t.requires_grad_() for t in (x, weight, bias)[: 2 + has_bias]]
    upstream = torch.randn(*x.shape[:-1], outside)
    output = linear(*given)
    gradients = torch.autograd.grad(output, given, upstream)

    exact = [t.detach().double().requires_grad_() for t in given]
    expected = F.linear(*exact)
    rounding = 1e-5 + 1e-6 * inside**0.5
    torch.testing.assert_close(output.double(), expected, rtol=1e-5, atol=rounding)
    for gradient, wanted in zip(
        gradients, torch.autograd.grad(expected, exact, upstream.double()), strict=True
    ):
        torch.testing.assert_close(gradient.double(), wanted, rtol=1e-5, atol=2e-4)


def test_only_large_products_of_float32_are_convolutions(
    convolves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def convolution(x: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        seen.append(x.size(2))
        return conv2d(x, *rest, **options)

    conv2d = F.conv2d
    monkeypatch.setattr(F, "conv2d", convolution)
    layer = Linear(512, 6)
    for rows in (1, 63, 64, 200):
        layer(torch.randn(rows, 512))
    layer.double()(torch.randn(200, 512, dtype=torch.float64))
    layer.float()
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(200, 512)).dtype == torch.bfloat16
    with torch.backends.mkldnn.flags(enabled=False):
        layer(torch.randn(200, 512))
    narrow = Linear(256, 6)
    for rows in (80, 81):
        narrow(torch.randn(rows, 256))
    assert seen == ([64, 200, 81] if convolves else [])


def test_no_row_touches_another() -> None:
    layer, x = Linear(16, 8), torch.randn(80, 16)
    before = layer(x)
    x[50:] = float("nan")
    assert torch.equal(layer(x)[:50], before[:50])


def test_one_thread_reaches_onednn_too(convolves: bool) -> None:
    """PyTorch would compute the convolution itself."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.profiler.profile() as profile:
            linear(torch.randn(81, 256), torch.randn(32, 256))
    finally:
        torch.set_num_threads(threads)
    names = {event.key for event in profile.key_averages()}
    assert ("aten::mkldnn_convolution" in names) == convolves


@pytest.mark.parametrize(
    ("capability", "cpuinfo", "chosen"),
    [
        ("AVX512", "vendor_id : AuthenticAMD\nmodel name : AMD EPYC", True),
        ("AVX512", "vendor_id : GenuineIntel\nmodel name : Intel(R) Xeon(R)", False),
        ("AVX512", "", False),
        ("AVX512", None, False),
        ("AVX2", "vendor_id : AuthenticAMD", False),
    ],
)
def test_the_maker_of_the_processor_decides(
    monkeypatch: pytest.MonkeyPatch, capability: str, cpuinfo: str | None, chosen: bool
) -> None:
    def read_text(path: Path, encoding: str) -> str:
        if cpuinfo is None:
            raise FileNotFoundError(path)
        return cpuinfo

    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(platform, "processor", lambda: "")
    chosen_here.cache_clear()
    try:
        assert chosen_here() is chosen
    finally:
        chosen_here.cache_clear()
