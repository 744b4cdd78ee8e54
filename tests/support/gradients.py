"""Comparing a module with its reference, value and every gradient, by name."""

from __future__ import annotations

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
    expected: Tensor,
    *found: Tensor,
    tolerance: float = 1e-9,
) -> None:
    """Compare outputs with the reference's, and the gradients of a random projection of them.

    ``inputs`` and the module's parameters are the leaves of all.
    """
    leaves = {**dict(module.named_parameters()), **inputs}
    close = {"rtol": tolerance, "atol": tolerance}
    direction = torch.randn_like(expected)

    def gradients(output: Tensor) -> dict[str, Tensor]:
        total = (output * direction).sum()
        grads = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
        return {
            name: torch.zeros_like(leaf) if grad is None else grad
            for (name, leaf), grad in zip(leaves.items(), grads, strict=True)
        }

    right = gradients(expected)
    for output in found:
        torch.testing.assert_close(output, expected, **close)
        for name, grad in gradients(output).items():
            torch.testing.assert_close(
                grad, right[name], **close, msg=lambda text, name=name: f"{name}: {text}"
            )
