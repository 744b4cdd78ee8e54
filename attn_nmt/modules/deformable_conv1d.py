"""A convolution whose taps are moved by what each token says (Equation 4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from attn_nmt.functional.deformable import TokenTable, neighbours, read_between
from attn_nmt.functional.linear import linear
from attn_nmt.modules.arguments import require_positive
from attn_nmt.modules.incremental import IncrementalModule, IncrementalState
from attn_nmt.modules.linear import Linear
from attn_nmt.modules.offset_statistics import OffsetStatistics
from attn_nmt.modules.token_buffer import SHARED_STATE, TokenBuffer


class DeformableConv1d(IncrementalModule):
    """1-D deformable convolution (Dai et al. 2017; Zhu et al. 2019, Equation 4).

    With K taps m, of which tap m stands at p_m = m - (K - 1) / 2, or at m - (K - 1) if causal::

        y_q = bias + sum_m weight[:, :, m] . sum_k max(0, 1 - |k - (q + p_m + o_qm)|) x_k
        o_q = offsets(x)_q, predicted from x_q alone

    k runs over the tokens of the sentence that are not padding, if causal over those up to q; all
    else counts as zero. Offsets are not bounded. Time and memory are linear in the length; a step
    of cached decoding reads 2K tokens.

    The parameter of the offsets is kept ``1 / offset_lr_scale`` times too large. Adam moves every
    parameter by steps of the learning rate whatever the size of its gradient, so the offsets learn
    at ``offset_lr_scale`` times the rate of the rest (the paper's Footnote 2) without a parameter
    group of their own. With plain SGD it would be the square of that.

    Args:
        embed_dim: channels C in and out.
        kernel_size: taps K. An even number, if not causal, puts them between tokens.
        causal: a token sees none to its right, not through interpolation either.
        offset_lr_scale: rate of the offset predictor, as a part of that of all others.

    Raises:
        ValueError: for any argument that breaks its rule, naming the rule and the value.
    """

    SHARED_STATE = SHARED_STATE

    def __init__(
        self,
        embed_dim: int,
        kernel_size: int = 3,
        *,
        causal: bool = False,
        offset_lr_scale: float = 0.1,
    ) -> None:
        super().__init__()
        require_positive("embed_dim", embed_dim)
        require_positive("kernel_size", kernel_size)
        if not (offset_lr_scale > 0.0 and math.isfinite(offset_lr_scale)):
            raise ValueError(
                f"`offset_lr_scale` must be positive, but is {offset_lr_scale} instead."
            )
        self.embed_dim, self.kernel_size, self.causal = embed_dim, kernel_size, causal
        self.offset_lr_scale = offset_lr_scale
        self.weight = nn.Parameter(torch.empty(embed_dim, embed_dim, kernel_size))
        self.bias = nn.Parameter(torch.empty(embed_dim))
        # No bias, as in Equation 4: an offset depends on the content.
        self.offset_proj = Linear(embed_dim, kernel_size, bias=False)
        self.statistics: OffsetStatistics | None = None
        """Of the last call in training, if ``records_statistics``."""
        self.records_statistics = False
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Glorot-uniform taps, no bias, no offsets: an ordinary convolution to begin with."""
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)
        nn.init.zeros_(self.offset_proj.weight)

    def offsets(self, x: Tensor) -> Tensor:
        """Return how far each token moves its taps, in tokens: (L, B, C) -> (L, B, K)."""
        moved: Tensor = self.offset_proj(x)
        return moved * self.offset_lr_scale

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
        tokens = x if padding_mask is None else x.masked_fill(padding_mask.T.unsqueeze(-1), 0.0)
        table, offsets = self._tokens_so_far(tokens, incremental_state), self.offsets(x)
        _, token, share = self.sampling(offsets, length=table.length)
        if self.records_statistics and self.training:
            self.statistics = OffsetStatistics.of(offsets, token, share, padding_mask)
        # (L, B, K, C) -> (L, B, K * C) @ (K * C, C) = (L, B, C)
        read = read_between(table, token, share).flatten(-2)
        return linear(read, self.weight.transpose(1, 2).flatten(1), self.bias)

    def _tokens_so_far(
        self, tokens: Tensor, incremental_state: IncrementalState | None
    ) -> TokenTable:
        """Return the tokens of this call, (L, B, C), behind those of earlier steps."""
        if incremental_state is None:
            return TokenTable.of(tokens)
        buffer = TokenBuffer.from_state(self._get_input_buffer(incremental_state))
        buffer = buffer.append(tokens)
        self._set_input_buffer(incremental_state, buffer.to_state())
        return buffer.table()

    def sampling(self, offsets: Tensor, *, length: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return where the taps of the last Lq of ``length`` tokens read, and what they find there.

        Shape:
            - offsets: (Lq, B, K), of :meth:`offsets`
            - positions q + p_m + o_qm: (Lq, B, K), in tokens
            - tokens, shares: (Lq, B, K, 2), the neighbours of each position and how much of them
              is read: nothing of one outside the sentence or, if causal, of one after q
        """
        # (Lq, 1, 1), the absolute position of each query
        query = torch.arange(length - len(offsets), length, device=offsets.device)[:, None, None]
        back = self.kernel_size - 1 if self.causal else (self.kernel_size - 1) / 2
        taps = torch.arange(self.kernel_size, device=query.device) - back
        # Half precision has no 2,049.
        precise = torch.promote_types(offsets.dtype, torch.float32)
        positions = query + taps.to(precise) + offsets.to(precise)
        last = query if self.causal else length - 1
        return positions, *neighbours(positions, length=length, last=last)
