"""Dynamic convolution: every token predicts the kernels that it is computed with."""

from __future__ import annotations

from torch import Tensor

from attn_nmt.modules.headwise_conv1d import HeadwiseConv1d
from attn_nmt.modules.linear import Linear


class DynamicConv1d(HeadwiseConv1d):
    """Dynamic convolution (Wu et al. 2019; Equations 5 to 7 of Zhu et al. 2019).

    kernel[head, q] = softmax over taps of kernel_proj z_q, where z is the gated input. Arguments,
    call and errors are those of :class:`HeadwiseConv1d`.
    """

    def _build_kernel(self) -> None:
        # No bias, as in Equation 7 and in fairseq.
        self.kernel_proj = Linear(self.embed_dim, self.num_heads * self.kernel_size, bias=False)

    def kernel_energies(self, z: Tensor) -> Tensor:
        """(L, B, C) -> (B, H, L, K)."""
        energies: Tensor = self.kernel_proj(z)
        return self.split_heads(energies)
