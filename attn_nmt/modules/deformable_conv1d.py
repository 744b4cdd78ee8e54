"""A convolution whose taps are moved by offsets that each token predicts (Equation 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attn_nmt.functional.deformable import TokenTable, gather_interpolated, neighbours
from attn_nmt.modules.arguments import require_positive
from attn_nmt.modules.incremental import IncrementalModule, IncrementalState
from attn_nmt.modules.int8 import Int8Product
from attn_nmt.modules.linear import Linear, linear


class TokenBuffer(NamedTuple):
    """The inputs of earlier decoding steps, each written once and never moved.

    A step writes its own behind the others, in place, so two continuations of one cache must not
    share it. A beam search reorders row numbers only.

    Shape:
        - rows: (capacity, C), of which the first ``filled`` are
        - row_ids: (B, L), the row of each token of each sentence
    """

    rows: Tensor
    row_ids: Tensor
    filled: int

    @classmethod
    def empty(cls, like: Tensor) -> TokenBuffer:
        """Return the buffer before the first step, for tokens (n, B, C)."""
        row_ids = torch.empty(like.size(1), 0, dtype=torch.long, device=like.device)
        return cls(like.new_empty(0, like.size(2)), row_ids, 0)

    def append(self, new: Tensor) -> TokenBuffer:
        """Write the tokens of a step, (n, B, C), behind those before."""
        tokens = new.flatten(0, 1)
        end = self.filled + len(tokens)
        rows = self._with_capacity(end)
        rows[self.filled : end] = tokens
        # (n * B) -> (n, B) -> (B, n)
        row_ids = torch.arange(self.filled, end, device=new.device).view(new.shape[:2]).T
        return TokenBuffer(rows, torch.cat((self.row_ids, row_ids), dim=1), end)

    def _with_capacity(self, needed: int) -> Tensor:
        # Where gradients are kept, an earlier step may still need the buffer as it was.
        keeps_gradients = torch.is_grad_enabled()
        if needed <= len(self.rows) and not keeps_gradients:
            return self.rows
        rows = self.rows.new_zeros(needed if keeps_gradients else 2 * needed, self.rows.size(1))
        rows[: self.filled] = self.rows[: self.filled]
        return rows

    def reorder(self, new_order: Tensor) -> TokenBuffer:
        """Follow a beam search."""
        return self._replace(row_ids=self.row_ids.index_select(0, new_order))

    def table(self) -> TokenTable:
        """Return the tokens so far for reading."""
        return TokenTable(self.rows, self.row_ids, self.row_ids.size(1))


@dataclass(frozen=True)
class OffsetStatistics:
    """What a training log should say about offsets: do they move, and do they explode?

    Scalar tensors over the sampling positions of one call, padding left out.
    """

    mean: Tensor
    """Mean absolute offset, in tokens."""
    maximum: Tensor
    """Largest absolute offset, in tokens."""
    outside: Tensor
    """Part of the taps' weight that falls outside the sentence or, if causal, on later tokens."""
    count: Tensor
    """Number of sampling positions."""

    @classmethod
    @torch.no_grad()
    def of(
        cls, offsets: Tensor, token: Tensor, weight: Tensor, padding_mask: Tensor | None
    ) -> OffsetStatistics:
        """Look at what :func:`attn_nmt.functional.deformable.neighbours` returned.

        Shape:
            - offsets: (L, B, K); token, weight: (L, B, K, 2)
            - padding_mask: (B, L), True = padding
        """
        moved = offsets.detach().abs().float()
        real = torch.ones_like(moved, dtype=torch.bool)
        if padding_mask is not None:
            real = real & ~padding_mask.T.unsqueeze(-1)
            # (B, L) read at (B, L * K * 2), and back to the axes of token
            padded = padding_mask.gather(1, token.transpose(0, 1).flatten(1))
            weight = weight * ~padded.view_as(token.transpose(0, 1)).transpose(0, 1)
        moved = moved.masked_fill(~real, 0.0)
        outside = (1 - weight.sum(-1)).masked_fill(~real, 0.0)
        count = real.sum()
        some = count.clamp(min=1)
        return cls(moved.sum() / some, moved.max(), outside.sum() / some, count)


class DeformableConv1d(IncrementalModule):
    """1-D deformable convolution (Dai et al. 2017; Zhu et al. 2019, Equation 4).

    With K taps m, of which tap m stands at p_m = m - (K - 1) / 2, or at m - (K - 1) if causal::

        y_q = bias + sum_m weight[:, :, m] . sum_k max(0, 1 - |k - (q + p_m + o_qm)|) x_k
        o_q = offsets(x)_q, predicted from x_q alone

    k runs over the tokens of the sentence that are not padding, if causal over those up to q;
    everything else counts as zero. Offsets are not bounded. Time and memory are linear in the
    length; a step of cached decoding reads 2K tokens.

    The parameter of the offsets is stored ``1 / offset_lr_scale`` times too large. Adam moves every
    parameter by steps of the learning rate whatever the size of its gradient, so the offsets learn
    at ``offset_lr_scale`` times the rate of the rest (the paper's Footnote 2) without a parameter
    group of their own. With plain SGD the factor would be squared.

    Args:
        embed_dim: channels C in and out.
        kernel_size: taps K. An even number, if not causal, puts them between tokens.
        causal: a token sees none to its right, not through interpolation either.
        offset_lr_scale: learning rate of the offset predictor relative to all other parameters.

    Raises:
        ValueError: for any argument that breaks its rule, naming the rule and the value.
    """

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
        self.int8: Int8Product | None = None
        # No bias, as in Equation 4: an offset depends on the content.
        self.offset_proj = Linear(embed_dim, kernel_size, bias=False)
        self.statistics: OffsetStatistics | None = None
        """Of the last call in training, if ``records_statistics``."""
        self.records_statistics = False
        self.reset_parameters()

    def extra_repr(self) -> str:
        """Say what is computed, for ``print(model)`` and the beginning of fairseq-train's log."""
        return f"kernel_size={self.kernel_size}, causal={self.causal}"

    def reset_parameters(self) -> None:
        """Glorot-uniform taps, zero bias and offsets: an ordinary convolution to begin with."""
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)
        nn.init.zeros_(self.offset_proj.weight)

    def offsets(self, x: Tensor) -> Tensor:
        """Return how far each token moves its taps, in tokens: (L, B, C) -> (L, B, K)."""
        offsets: Tensor = self.offset_proj(x)
        return offsets * self.offset_lr_scale

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
        if padding_mask is not None:
            padding_mask = padding_mask.to(torch.bool)
        tokens = x if padding_mask is None else x.masked_fill(padding_mask.T.unsqueeze(-1), 0.0)
        table, offsets = self._tokens_so_far(tokens, incremental_state), self.offsets(x)
        _, token, weight = self.sampling(offsets, length=table.length)
        if self.records_statistics and self.training:
            self.statistics = OffsetStatistics.of(offsets, token, weight, padding_mask)
        return self._multiply(gather_interpolated(table, token, weight))

    def _multiply(self, taps: Tensor) -> Tensor:
        """Return the sum over the taps of W_m x_m, and b: (L, B, K, C) -> (L, B, C)."""
        # The weights and the taps are in memory in different orders. The smaller of the two is put
        # into that of the other: in a decoding step, the taps. torch.compile would compile both.
        if torch.compiler.is_compiling() or taps.numel() >= self.weight.numel():
            # (L, B, K, C) -> (L, B, K * C) @ (K * C, C) = (L, B, C)
            return linear(taps.flatten(-2), self._matrix(), self.bias, self.int8)
        if self.int8 is not None and not torch.is_grad_enabled():
            return self.int8(taps.flatten(-2))
        # (L, B, K, C) -> (L, B, C * K) @ (C * K, C) = (L, B, C)
        return linear(taps.transpose(-2, -1).flatten(-2), self.weight.flatten(1), self.bias)

    def _matrix(self) -> Tensor:
        """Return the weight as a matrix of all taps: (C, C, K) -> (C, K * C)."""
        return self.weight.transpose(1, 2).flatten(1)

    def quantize_(self) -> None:
        """Multiply in 8 bits from now on where no gradient is asked for."""
        self.int8 = Int8Product(self._matrix(), self.bias)

    def _tokens_so_far(
        self, tokens: Tensor, incremental_state: IncrementalState | None
    ) -> TokenTable:
        """Return the tokens of this call, (L, B, C), behind those of earlier steps."""
        if incremental_state is None:
            return TokenTable.from_batch(tokens)
        past: TokenBuffer = self.load_cache(incremental_state) or TokenBuffer.empty(tokens)
        buffer = past.append(tokens)
        self.store_cache(incremental_state, buffer)
        return buffer.table()

    def sampling(self, offsets: Tensor, *, length: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return where the taps of the last Lq of ``length`` tokens read, and with which weights.

        Shape:
            - offsets: (Lq, B, K), of :meth:`offsets`
            - positions q + p_m + o_qm: (Lq, B, K), in tokens
            - tokens, weights: (Lq, B, K, 2), the neighbours of each position and the weight of
              each: zero for one outside the sentence or, if causal, after q
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
