"""The linear map, by the faster of the two matrix libraries that PyTorch has on a CPU."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

# Fewer rows do not pay for laying out the weight anew.
_FEWEST_ROWS = 64


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x W^T + b, as :func:`torch.nn.functional.linear` does.

    That one calls MKL, which on processors of other makers than Intel leaves AVX-512 unused.
    Convolutions call oneDNN, which uses it, and a linear map is a convolution with one tap: the
    same product, in float32 as before, in half the time where this was measured.

    Shape:
        - x: (..., K); weight: (N, K); bias: (N)
        - output: (..., N)
    """
    # A compiler chooses for itself.
    if torch.compiler.is_compiling() or not _has_faster_convolution() or not _fits(x, weight):
        return F.linear(x, weight, bias)
    rows = x.numel() // x.size(-1)
    # (..., K) -> (1, K, rows, 1), a view with the channels last
    pixels = x.reshape(1, rows, 1, -1).permute(0, 3, 1, 2)
    mapped = F.conv2d(pixels, weight[..., None, None], bias)
    # (1, N, rows, 1) -> (..., N)
    return mapped.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)


def _fits(x: Tensor, weight: Tensor) -> bool:
    """Whether it is a product of float32 on a CPU, large enough; other types take oneDNN anyway."""
    return (
        x.dtype == weight.dtype == torch.float32
        and x.device.type == "cpu"
        and x.numel() >= _FEWEST_ROWS * x.size(-1)
        and not torch.is_autocast_enabled("cpu")
        and torch._C._get_mkldnn_enabled()
    )


@cache
def _has_faster_convolution() -> bool:
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
    )
