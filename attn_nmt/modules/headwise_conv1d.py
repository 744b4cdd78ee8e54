"""Dynamic and lightweight convolution in place of self-attention: one kernel per head.

``HeadwiseConv1d`` holds what they share: gate, projections, cache. A subclass says where its
kernels come from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attn_nmt.functional.headwise_convolution import headwise_convolution
from attn_nmt.modules.arguments import require_heads, require_positive, require_probability
from attn_nmt.modules.incremental import IncrementalModule, IncrementalState
from attn_nmt.modules.linear import Linear
from attn_nmt.modules.past_tokens import PastTokens


class HeadwiseConv1d(IncrementalModule, ABC):
    """Convolution in place of self-attention, without saying where its kernels come from::

        z = glu(in_proj x), or in_proj x without glu
        y_q = out_proj(sum over taps m of kernel[head, q, m] z_{q + m - backward})

    A kernel serves C / H channels, and in both subclasses sums to one over its K taps. Taps outside
    the sentence and on padding count as zero, and the others are not rescaled for them, as in
    fairseq's modules. backward = K - 1 if causal; else (K - 1) // 2, as ``padding="same"`` of
    ``nn.Conv1d``.

    Args:
        embed_dim: channels C in and out.
        kernel_size: taps K.
        num_heads: heads H, each with a kernel; must divide ``embed_dim``.
        causal: a token sees none to its right.
        dropout: probability of dropping an entry of a kernel in training (DropConnect).
        glu: project to 2C channels and gate one half with the other.

    Raises:
        ValueError: for any argument that breaks its rule, naming the rule and the value.
    """

    def __init__(
        self,
        embed_dim: int,
        kernel_size: int,
        num_heads: int = 16,
        *,
        causal: bool = False,
        dropout: float = 0.0,
        glu: bool = True,
    ) -> None:
        super().__init__()
        require_heads(embed_dim, num_heads)
        require_positive("kernel_size", kernel_size)
        require_probability("dropout", dropout)
        self.embed_dim, self.kernel_size, self.num_heads = embed_dim, kernel_size, num_heads
        self.causal, self.dropout, self.glu = causal, dropout, glu
        self.backward = kernel_size - 1 if causal else (kernel_size - 1) // 2
        self.in_proj = Linear(embed_dim, 2 * embed_dim if glu else embed_dim)
        self.out_proj = Linear(embed_dim, embed_dim)
        self.build_kernel()
        self.reset_parameters()

    @abstractmethod
    def build_kernel(self) -> None:
        """Create the parameters of the kernels."""

    @abstractmethod
    def kernels(self, z: Tensor) -> Tensor:
        """Return the kernels.

        Shape:
            - z: (L, B, C), the gated input
            - output: (B, H, L, K), or (1, H, 1, K) for the same kernel everywhere
        """

    def extra_repr(self) -> str:
        """Say what is computed, for ``print(model)`` and the beginning of fairseq-train's log."""
        parts = (f"kernel_size={self.kernel_size}", f"heads={self.num_heads}", f"glu={self.glu}")
        return ", ".join((*parts, f"causal={self.causal}"))

    def reset_parameters(self) -> None:
        """Glorot-uniform weights, zero biases."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self,
        x: Tensor,
        padding_mask: Tensor | None = None,
        incremental_state: IncrementalState | None = None,
    ) -> Tensor:
        """Convolve, time first; with ``incremental_state``, continue where the last call ended.

        Shape:
            - x, output: (L, B, C)
            - padding_mask: (B, L), True = padding, which counts as zero

        Raises:
            ValueError: if ``incremental_state`` is given to a module that is not causal.
        """
        self.require_causal(incremental_state)
        z = self.gate(x)
        kernel = F.dropout(self.kernels(z), self.dropout, self.training)
        if padding_mask is not None:
            z = z.masked_fill(padding_mask.to(torch.bool).T.unsqueeze(-1), 0.0)
        value = self.split_heads(z)
        past: PastTokens | None = self.load_cache(incremental_state)
        tokens = PastTokens.of(value) if past is None else past.append(value)
        self.store_cache(incremental_state, tokens.keep_last(self.kernel_size - 1))
        value = tokens.heads
        heads = headwise_convolution(
            kernel, value, backward=self.backward, query_offset=value.size(2) - len(x)
        )
        # (B, H, L, D) -> (L, B, C)
        output: Tensor = self.out_proj(heads.permute(2, 0, 1, 3).flatten(-2))
        return output

    def gate(self, x: Tensor) -> Tensor:
        """Return z, what the kernels are predicted from and applied to: (L, B, C) -> (L, B, C)."""
        return F.glu(self.in_proj(x)) if self.glu else self.in_proj(x)

    def split_heads(self, x: Tensor) -> Tensor:
        """(L, B, H * N) -> (B, H, L, N)."""
        return x.view(*x.shape[:-1], self.num_heads, -1).permute(1, 2, 0, 3)


class DynamicConv1d(HeadwiseConv1d):
    """Dynamic convolution: every token predicts the kernels that it is computed with.

    kernel[head, q] = softmax over taps of kernel_proj z_q (Wu et al. 2019; Equations 5 to 7 of Zhu
    et al. 2019). Arguments, call and errors are those of :class:`HeadwiseConv1d`.
    """

    def build_kernel(self) -> None:
        """Create the projection from a token to its kernels."""
        # No bias, as in Equation 7 and in fairseq.
        self.kernel_proj = Linear(self.embed_dim, self.num_heads * self.kernel_size, bias=False)

    def kernels(self, z: Tensor) -> Tensor:
        """Return one kernel per token and head: (L, B, C) -> (B, H, L, K)."""
        return _softmax(self.split_heads(self.kernel_proj(z))).to(z.dtype)


class LightweightConv1d(HeadwiseConv1d):
    """Lightweight convolution: one learned kernel per head, the same at every position.

    kernel[head] = softmax over taps of ``weight`` (H, K) (Wu et al. 2019). In training an entry is
    dropped for the whole batch at once. Arguments, call and errors are those of
    :class:`HeadwiseConv1d`.
    """

    def build_kernel(self) -> None:
        """Create the kernels."""
        self.weight = nn.Parameter(torch.empty(self.num_heads, self.kernel_size))

    def kernels(self, z: Tensor) -> Tensor:
        """Return one kernel per head, (1, H, 1, K), whatever ``z`` is."""
        return _softmax(self.weight[None, :, None]).to(z.dtype)


def _softmax(energies: Tensor) -> Tensor:
    """Softmax over the taps, in float32 at least."""
    return energies.softmax(-1, torch.promote_types(energies.dtype, torch.float32))
