"""Dropout whose mask costs a third of PyTorch's on a CPU: four entries from each random number."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_LEVELS = 1 << 16
"""An entry is dropped by 16 random bits."""
_PER_NUMBER = 4


def dropout(x: Tensor, p: float) -> Tensor:
    """Return x with each entry zeroed with probability ``p``, and divided by 1 - p otherwise.

    Like :func:`torch.nn.functional.dropout` in training, which draws a number for each entry, and
    thereby takes longer than many a matrix product. On a CPU, ``p`` is rounded to 16 bits here.

    Shape:
        - x, output: (...), any type of floating point
    """
    # torch.compile and the kernels of other devices draw while they multiply.
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.dropout(x, p)
    dropped = round(p * _LEVELS)
    if not 0 < dropped < _LEVELS:
        return F.dropout(x, p)
    numbers = torch.empty(-(-x.numel() // _PER_NUMBER), dtype=torch.int64)
    bits = numbers.random_(-(2**63), None).view(torch.int16)[: x.numel()]
    scale = torch.empty(x.numel(), dtype=x.dtype)
    torch.ge(bits, dropped - _LEVELS // 2, out=scale)
    return x * scale.mul_(_LEVELS / (_LEVELS - dropped)).view(x.shape)
