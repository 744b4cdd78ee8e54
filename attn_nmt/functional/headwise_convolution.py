"""Convolution with one kernel per head, which may differ between positions.

The kernels of a block of queries form a band matrix over the window of tokens that they reach, so a
convolution is one matrix product per block and its cost is linear in the length.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from attn_nmt.functional.windows import Windows, block_length


def headwise_convolution(
    kernel: Tensor, value: Tensor, *, backward: int, query_offset: int = 0
) -> Tensor:
    """Return y_q = sum over taps m of kernel[q, m] value[q + m - backward], zero outside.

    Shape:
        - kernel: (B, H, Lq, K), or (1, H, 1, K) for the same one everywhere
        - value: (B, H, Lk, D); query 0 stands at its index ``query_offset``, the last at its end
        - output: (B, H, Lq, D)
    """
    taps, key_length = kernel.size(-1), value.size(2)
    length = key_length - query_offset
    # How far the first query reaches beyond the first value, and the last one beyond the last.
    left, right = backward - query_offset, taps - 1 - backward + query_offset
    block = min(length, block_length(taps - 1, 0))
    if length == block:
        # (B, H, Lq, Lk) @ (B, H, Lk, D) = (B, H, Lq, D)
        return band_matrix(kernel, block)[..., left : left + key_length] @ value
    windows = Windows(block, -(-length // block), left, right)
    if kernel.size(2) > 1:
        kernel = windows.cut_queries(kernel)
    # (B * blocks, H, block, window) @ (B * blocks, H, window, D) = (B * blocks, H, block, D)
    output = band_matrix(kernel, block) @ windows.cut_keys(value)
    return windows.join_queries(output, length)


def band_matrix(kernel: Tensor, length: int) -> Tensor:
    """Put the kernel of row i into columns i to i + K - 1 of a matrix of zeros.

    Shape:
        - kernel: (..., L, K) or (..., 1, K)
        - output: (..., L, L + K - 1)
    """
    taps = kernel.size(-1)
    kernel = kernel.expand(*kernel.shape[:-2], length, taps)
    # One column too many, read row by row as if it were not there, moves row i by i columns.
    rows = F.pad(kernel, (0, length)).flatten(-2)
    window = length + taps - 1
    return rows[..., : length * window].view(*rows.shape[:-1], length, window)
