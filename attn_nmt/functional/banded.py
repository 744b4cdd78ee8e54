"""Attention within a span: queries in blocks, each over the window of keys that it can reach.

A window is to a block what the keys are to the queries, so the blocks become sentences of a larger
batch and any attention applies to them; the cost grows with length x span.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

_FEWEST_IN_A_BLOCK = 32


def block_length(backward: int, forward: int) -> int:
    """Return how many queries share a window: enough that it is at most three blocks long."""
    return max(backward, forward, _FEWEST_IN_A_BLOCK)


def query_blocks(x: Tensor, block: int) -> Tensor:
    """Cut queries into blocks, the last one filled with zeros.

    Shape:
        - x: (B, H, Lq, D)
        - output: (B * blocks, H, block, D)
    """
    batch, heads, length, width = x.shape
    x = F.pad(x, (0, 0, 0, -length % block))
    # (B, H, blocks, block, D) -> (B, blocks, H, block, D)
    return x.view(batch, heads, -1, block, width).transpose(1, 2).reshape(-1, heads, block, width)


def from_query_blocks(x: Tensor, query_length: int, batch: int) -> Tensor:
    """Undo :func:`query_blocks`: (B * blocks, H, block, D) -> (B, H, Lq, D)."""
    _, heads, block, width = x.shape
    x = x.view(batch, -1, heads, block, width).transpose(1, 2)
    return x.reshape(batch, heads, -1, width)[:, :, :query_length]


def key_windows(x: Tensor, block: int, blocks: int, backward: int, forward: int) -> Tensor:
    """Give each block of queries the keys it can reach, zeros where there are none.

    Shape:
        - x: (B, H, Lk, D), keys at the positions of the queries
        - output: (B * blocks, H, backward + block + forward, D)
    """
    heads, length, width = x.shape[1:]
    window = backward + block + forward
    # A negative amount cuts off keys that no query reaches.
    x = F.pad(x, (0, 0, backward, blocks * block + forward - length))
    # (B, H, blocks, D, window) -> (B, blocks, H, window, D)
    return x.unfold(2, window, block).permute(0, 2, 1, 4, 3).reshape(-1, heads, window, width)


def padding_windows(
    padding: Tensor, block: int, blocks: int, backward: int, forward: int
) -> Tensor:
    """Do the same with a mask, (B, Lk) -> (B * blocks, window), True also outside the sentence."""
    window = backward + block + forward
    right = blocks * block + forward - padding.size(1)
    return F.pad(padding, (backward, right), value=True).unfold(1, window, block).flatten(0, 1)
