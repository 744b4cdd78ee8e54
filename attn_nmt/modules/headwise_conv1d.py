"""What dynamic and lightweight convolution share: gate, one kernel a head, cache, projections."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attn_nmt.functional.headwise_convolution import headwise_convolution
from attn_nmt.modules.arguments import require_heads, require_positive, require_probability
from attn_nmt.modules.history import ORDER, extend
from attn_nmt.modules.incremental import IncrementalModule, IncrementalState
from attn_nmt.modules.linear import Linear


class HeadwiseConv1d(IncrementalModule):
    """Convolution in place of self-attention, without saying where its kernels come from::

        z = glu(in_proj x), or in_proj x without glu
        y_q = out_proj(sum over taps m of kernel[head, q, m] z_{q + m - back})

    The kernel of a head sums up to one over its K taps and serves C / H channels. Taps outside the
    sentence and on padding count as zero, and the others are not made up for them, as in fairseq's
    modules. back = K - 1 if causal; else (K - 1) // 2, as ``padding="same"`` of ``nn.Conv1d``.

    Args:
        embed_dim: channels C in and out.
        kernel_size: taps K.
        num_heads: heads H, that is kernels; must divide ``embed_dim``.
        causal: a token sees none to its right.
        dropout: probability of dropping an entry of a kernel in training (DropConnect).
        glu: project to 2C channels and gate one half with the other.

    Raises:
        ValueError: for any argument that breaks its rule, naming the rule and the value.
    """

    LATE_STATE = ("past",)

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
        self.in_proj = Linear(embed_dim, 2 * embed_dim if glu else embed_dim)
        self.out_proj = Linear(embed_dim, embed_dim)
        self._build_kernel()
        self.reset_parameters()

    def _build_kernel(self) -> None:
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Glorot-uniform weights, zero biases."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.xavier_uniform_(parameter)

    def kernel_energies(self, z: Tensor) -> Tensor:
        """Return the kernels before softmax, over the last axis.

        Shape:
            - z: (L, B, C)
            - output: (B, H, L, K), or (1, H, 1, K) for the same kernel everywhere
        """
        raise NotImplementedError

    def forward(
        self,
        x: Tensor,
        padding_mask: Tensor | None = None,
        incremental_state: IncrementalState | None = None,
    ) -> Tensor:
        """Convolve, time first; with ``incremental_state``, go on where the last call ended.

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
            z = z.masked_fill(padding_mask.T.unsqueeze(-1), 0.0)
        value, seen = self._with_past(self.split_heads(z), incremental_state)
        mixed = headwise_convolution(kernel, value, backward=self.back, query_offset=seen)
        # (B, H, L, D) -> (L, B, C)
        output: Tensor = self.out_proj(mixed.permute(2, 0, 1, 3).flatten(-2))
        return output

    def gate(self, x: Tensor) -> Tensor:
        """Return z, what the kernels are predicted from and applied to: (L, B, C) -> (L, B, C)."""
        return F.glu(self.in_proj(x)) if self.glu else self.in_proj(x)

    def kernels(self, z: Tensor) -> Tensor:
        """Return the kernels, which sum up to one: (B, H, L, K), or (1, H, 1, K) for one alone."""
        energies = self.kernel_energies(z)
        precise = torch.promote_types(energies.dtype, torch.float32)
        return energies.softmax(-1, precise).to(z.dtype)

    @property
    def back(self) -> int:
        """How many tokens before its position a kernel begins."""
        return self.kernel_size - 1 if self.causal else (self.kernel_size - 1) // 2

    def split_heads(self, x: Tensor) -> Tensor:
        """(L, B, H * N) -> (B, H, L, N)."""
        return x.view(*x.shape[:-1], self.num_heads, -1).permute(1, 2, 0, 3)

    def _with_past(
        self, value: Tensor, incremental_state: IncrementalState | None
    ) -> tuple[Tensor, int]:
        """Put the tokens that a kernel still reaches before these; return how many they are.

        Shape:
            - value: (B, H, L, D); the result has more in place of L
        """
        if incremental_state is None:
            return value, 0
        state, seen = self._get_input_buffer(incremental_state), 0
        past = state.get("past")
        if past is not None:
            value, seen = extend(past, value, state.get(ORDER)), past.size(2)
        reach = value[:, :, max(0, value.size(2) - self.kernel_size + 1) :]
        self._set_input_buffer(incremental_state, {"past": reach})
        return value, seen
