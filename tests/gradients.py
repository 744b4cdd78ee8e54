"""Comparing a module with its reference, value and every gradient, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def randomize(module: nn.Module, seed: int = 0) -> None:
    """Give every parameter random values: a test at an initial zero proves nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))


def assert_same(
    module: nn.Module,
    inputs: dict[str, Tensor],
    fast: Callable[[], Tensor],
    slow: Callable[[], Tensor],
    *,
    tolerance: float = 1e-9,
) -> None:
    """Compare two computations on the same leaves: outputs, and gradients of a random projection.

    ``inputs`` and the module's parameters are the leaves; all must have a gradient in ``fast``
    unless ``slow`` has none either.
    """
    leaves = {**dict(module.named_parameters()), **inputs}
    outputs = {"fast": fast(), "slow": slow()}
    torch.testing.assert_close(outputs["fast"], outputs["slow"], rtol=tolerance, atol=tolerance)
    direction = torch.randn_like(outputs["slow"])
    found = {
        which: torch.autograd.grad(
            (output * direction).sum(), list(leaves.values()), allow_unused=True
        )
        for which, output in outputs.items()
    }
    for name, fast_one, slow_one in zip(leaves, found["fast"], found["slow"], strict=True):
        left = torch.zeros_like(leaves[name]) if fast_one is None else fast_one
        right = torch.zeros_like(leaves[name]) if slow_one is None else slow_one
        torch.testing.assert_close(
            left, right, rtol=tolerance, atol=tolerance, msg=lambda text, n=name: f"{n}: {text}"
        )
