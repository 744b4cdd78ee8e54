"""The linear layer, by the faster of the two matrix libraries that PyTorch has on a CPU."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from attn_nmt.modules.int8 import Int8Product

# With fewer rows, the weight's new layout costs more than it saves.
_MIN_ROWS = 64
# PyTorch hands a convolution of a batch of one to oneDNN only if it has more numbers than this.
_TOO_FEW_NUMBERS = 20480
_MEASURED_SIZE, _MEASUREMENTS = 512, 7
# It takes about a half of the time or about all of it: no process chooses by chance.
_CLEARLY_FASTER = 0.75


class Linear(nn.Linear):
    """``torch.nn.Linear`` by :func:`linear`; parameters and checkpoints are the same."""

    int8: Int8Product | None = None

    def quantize_(self) -> None:
        """Multiply in 8 bits from now on where no gradient is asked for."""
        self.int8 = Int8Product(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T + b: (..., in_features) -> (..., out_features)."""
        return linear(x, self.weight, self.bias, self.int8)


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, int8: Int8Product | None = None
) -> Tensor:
    """Return x W^T + b, as :func:`torch.nn.functional.linear` does.

    That one calls MKL, which leaves AVX-512 unused on processors of other makers than Intel.
    Convolutions call oneDNN, which uses it, and a linear map is a convolution with one tap: the
    same product, also in float32, in half the time there, and a little more on Intel's own. Which
    it is, a short measurement finds once per process.

    Shape:
        - x: (..., K); weight: (N, K); bias: (N)
        - output: (..., N)

    Args:
        int8: the same weight and bias in 8 bits, used where no gradient is asked for.
    """
    if int8 is not None and not torch.is_grad_enabled():
        return int8(x)
    # torch.compile chooses the library itself.
    if torch.compiler.is_compiling() or not _fits(x, weight) or not _has_faster_convolution():
        return F.linear(x, weight, bias)
    return _convolved(x, weight, bias)


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    rows = x.numel() // x.size(-1)
    # (..., K) -> (1, K, rows, 1), a view with the channels last
    pixels = x.reshape(1, rows, 1, -1).permute(0, 3, 1, 2)
    # With one thread PyTorch hands a convolution of one tap to oneDNN only if it is dilated, which
    # changes nothing for one tap.
    output = F.conv2d(pixels, weight[..., None, None], bias, dilation=2)
    # (1, N, rows, 1) -> (..., N)
    return output.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)


def _fits(x: Tensor, weight: Tensor) -> bool:
    """Whether this is a large enough product of float32 on a CPU; other types use oneDNN anyway."""
    return (
        x.dtype == weight.dtype == torch.float32
        and x.device.type == "cpu"
        and x.numel() >= _MIN_ROWS * x.size(-1)
        and x.numel() > _TOO_FEW_NUMBERS
        and not torch.is_autocast_enabled("cpu")
        and torch._C._get_mkldnn_enabled()
    )


@cache
def _has_faster_convolution() -> bool:
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and _relative_time_of_convolution() < _CLEARLY_FASTER
    )


def _relative_time_of_convolution() -> float:
    """Return the time of one product by convolution, relative to that by F.linear: some 20 ms."""
    plain: Callable[..., Tensor] = F.linear
    fastest = {plain: math.inf, _convolved: math.inf}
    # Neither a mode that counts operations nor autograd must see this.
    with _disable_current_modes(), torch.no_grad():
        size = (_MEASURED_SIZE, _MEASURED_SIZE)
        x, weight = (torch.ones(size, dtype=torch.float32, device="cpu") for _ in range(2))
        for _ in range(_MEASUREMENTS):
            for multiply, before in fastest.items():
                start = time.perf_counter()
                multiply(x, weight, None)
                fastest[multiply] = min(before, time.perf_counter() - start)
    return fastest[_convolved] / fastest[plain]
