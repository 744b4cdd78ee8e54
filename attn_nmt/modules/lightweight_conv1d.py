"""Lightweight convolution: one learned kernel a head, the same at every position."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attn_nmt.modules.headwise_conv1d import HeadwiseConv1d


class LightweightConv1d(HeadwiseConv1d):
    """Lightweight convolution (Wu et al. 2019).

    kernel[head] = softmax over taps of ``weight`` (H, K). In training an entry is dropped for the
    whole batch at once. Arguments, call and errors are those of :class:`HeadwiseConv1d`.
    """

    def _build_kernel(self) -> None:
        self.weight = nn.Parameter(torch.empty(self.num_heads, self.kernel_size))

    def kernel_energies(self, z: Tensor) -> Tensor:
        """Return (1, H, 1, K), whatever ``z`` is."""
        return self.weight[None, :, None]
