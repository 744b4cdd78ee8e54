"""Blocks of queries, and for each the window of keys that its queries may see.

A window is to its block what the keys are to the queries, so blocks become the sentences of a
larger batch, to which any attention or convolution applies. The cost grows with length x window.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

_MIN_BLOCK = 32


def block_length(backward: int, forward: int) -> int:
    """Return how many queries share a window: enough that it is at most three blocks long."""
    return max(backward, forward, _MIN_BLOCK)


class Windows(NamedTuple):
    """How queries and keys are cut up; all in tokens."""

    block: int
    """Queries in a block."""
    blocks: int
    backward: int
    """How many keys before the index of its block's first query a window begins. Where a cache
    brings earlier keys, which shift the indices, it is less than a query sees."""
    forward: int
    """How many keys after the index of its block's last query a window ends; more than a query
    sees where a cache brings earlier keys."""

    @property
    def length(self) -> int:
        """Keys in a window."""
        return self.backward + self.block + self.forward

    def cut_queries(self, x: Tensor) -> Tensor:
        """Cut queries into blocks, the last one filled up with zeros.

        Shape:
            - x: (B, H, Lq, D)
            - output: (B * blocks, H, block, D)
        """
        _, heads, length, width = x.shape
        x = F.pad(x, (0, 0, 0, self.blocks * self.block - length))
        # (B, H, blocks, block, D) -> (B, blocks, H, block, D)
        x = x.view(len(x), heads, self.blocks, self.block, width).transpose(1, 2)
        return x.reshape(-1, heads, self.block, width)

    def join_queries(self, x: Tensor, query_length: int) -> Tensor:
        """Undo :meth:`cut_queries`: (B * blocks, H, block, D) -> (B, H, Lq, D)."""
        _, heads, block, width = x.shape
        x = x.view(-1, self.blocks, heads, block, width).transpose(1, 2)
        return x.reshape(len(x), heads, -1, width)[:, :, :query_length]

    def cut_keys(self, x: Tensor) -> Tensor:
        """Return the window of every block, zeros where it reaches beyond the keys.

        Shape:
            - x: (B, H, Lk, D)
            - output: (B * blocks, H, backward + block + forward, D)
        """
        heads, length, width = x.shape[1:]
        # A negative amount cuts off keys that no query reaches.
        right = self.blocks * self.block + self.forward - length
        x = F.pad(x, (0, 0, self.backward, right))
        # (B, H, blocks, D, window) -> (B, blocks, H, window, D)
        windows = x.unfold(2, self.length, self.block).permute(0, 2, 1, 4, 3)
        return windows.reshape(-1, heads, self.length, width)

    def cut_padding(self, padding: Tensor) -> Tensor:
        """Do the same with a mask, (B, Lk) -> (B * blocks, window), True also beyond the keys."""
        right = self.blocks * self.block + self.forward - padding.size(1)
        padded = F.pad(padding, (self.backward, right), value=True)
        return padded.unfold(1, self.length, self.block).flatten(0, 1)
