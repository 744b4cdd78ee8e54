"""The linear layer, by the faster of the two matrix libraries that PyTorch has on a CPU."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attn_nmt.modules.int8 import Int8Product

# With fewer rows, the weight's new layout costs more than it saves.
_MIN_ROWS = 64
# PyTorch hands a convolution of a batch of one to oneDNN only if it has more numbers than this.
_TOO_FEW_NUMBERS = 20480
_OTHER_MAKERS = ("AuthenticAMD", "HygonGenuine")


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
    same product, also in float32, in half the time there, and in 2 to 75 % more on Intel's own. The
    maker decides, not a measurement: a resumed training must choose as before, to the last bit.

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
        and _mkl_leaves_avx512_unused()
    )


def _mkl_leaves_avx512_unused() -> bool:
    """Whether somebody else than Intel is known to have made the processor."""
    try:
        description = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux
        description = platform.processor()
    return any(maker in description for maker in _OTHER_MAKERS)
