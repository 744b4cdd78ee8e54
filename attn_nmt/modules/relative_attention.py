"""Multi-head attention whose energy is a sum of four switchable terms (Equations 1, 2 and 8).

From top to bottom: what a call is given and returns, the backends, the module with its parameters
and its call, the choice of the backend, the backends, and what is projected for them.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attn_nmt.functional.attention import (
    AttentionOperands,
    dense_attention,
    explicit_attention,
    fused_attention,
    local_attention,
    masked_softmax,
    matmul_attention,
)
from attn_nmt.functional.cumulative import CumulativeMean, cumulative_mean
from attn_nmt.functional.energies import ENERGIES
from attn_nmt.functional.relative_position import relative_encoding
from attn_nmt.functional.windows import block_length
from attn_nmt.modules.arguments import require_heads, require_probability
from attn_nmt.modules.incremental import Cache, IncrementalModule, IncrementalState
from attn_nmt.modules.kv_cache import KeySharing, KVCache, SentenceMean
from attn_nmt.modules.linear import Linear
from attn_nmt.terms import AttentionTerms

# With fewer keys, two matrix products are faster on a CPU than fused attention.
_MIN_FUSED_KEYS = 128


class AttentionInputs(NamedTuple):
    """The arguments of one call, and the cache that it finds.

    Shape:
        - query: (Lq, B * n, C), or (n, B, C) if the n rows that share keys are stacked
        - key, value, padding, attn_mask: see :meth:`RelativeMultiheadAttention.forward`
    """

    query: Tensor
    positions: int
    """Positions of the queries: Lq, or 1 if rows are stacked."""
    sharing: KeySharing
    key: Tensor
    value: Tensor
    padding: Tensor | None
    attn_mask: Tensor | None
    need_weights: bool
    static_kv: bool
    is_incremental: bool
    cache: KVCache | SentenceMean | CumulativeMean | None


class AttentionOutput(NamedTuple):
    """What a backend returns.

    Shape:
        - heads: (B, H, Lq, D), or (B, H, 1, D) where all queries get the same
        - weights: (B, H, Lq or 1, Lk) before dropout, None unless asked for
    """

    heads: Tensor
    weights: Tensor | None
    terms: tuple[str, ...]
    """The terms that entered."""
    cache: Cache
    """For the next call, if there is one."""


class Backend(Enum):
    """The ways to compute the output; ``energies`` of the module specifies it for all of them.

    The first that applies is taken, see :meth:`RelativeMultiheadAttention.select_backend`. Time and
    memory come on top of the projections, for L queries and keys of width C:

    =================  ==================================================  ================
    backend            for                                                 time; memory
    =================  ==================================================  ================
    SENTENCE_MEAN      0010, 0000: one mean for all queries                L C; C
    CUMULATIVE_MEAN    the same, causal: a running mean                    L C; L C
    WEIGHTS            need_weights or attn_mask: all energies, weights    L^2 C; L^2
    BIAS               without query_key: no product with the keys (0001:  L^2 C; L^2
                       one table of weights for rows without padding)
    MATMUL             on a CPU, few keys or a bias to learn: two products L^2 C; L^2
    FUSED              the rest: scaled_dot_product_attention              L^2 C; L^2 of a
                                                                           bias, else L C
    =================  ==================================================  ================

    With a span n, BIAS, MATMUL and FUSED meet n keys per query, and L n takes the place of L^2.
    """

    SENTENCE_MEAN = auto()
    CUMULATIVE_MEAN = auto()
    WEIGHTS = auto()
    BIAS = auto()
    MATMUL = auto()
    FUSED = auto()


_KERNELS = {
    Backend.BIAS: None,
    Backend.MATMUL: matmul_attention,
    Backend.FUSED: fused_attention,
}


class RelativeMultiheadAttention(IncrementalModule):
    """Attention over content and signed relative position, each term switched on or off.

    For query z_q at absolute position i and key x_k at j, with d = j - i, one head of width D::

        energy  = D^-0.5 * (q . k  +  q . r_d  +  u . k  +  v . r_d)      terms 1000 0100 0010 0001
        q, k, r_d = q_proj z_q, k_proj x_k, r_proj R_d
        output  = out_proj(softmax over the allowed keys of energy . v_proj x)

    ``q_proj``, ``k_proj`` and ``r_proj`` have no bias: a bias on the query would bring back the
    last two terms where they are switched off. A parameter exists only if an enabled term uses it.
    Positions count every slot of the tensors, so in encoder-decoder attention the padding of the
    keys belongs on the right.

    Args:
        embed_dim: channels C of queries, keys and values.
        num_heads: heads H; must divide ``embed_dim``.
        terms: four bits, see :class:`attn_nmt.terms.AttentionTerms`; "0000" is uniform.
        dropout: probability of dropping an attention weight in training.
        span: odd n allows |d| <= (n - 1) / 2, with ``causal`` -n < d <= 0; None sets no limit.
        causal: a query sees no key to its right.

    Raises:
        ValueError: for any argument that breaks its rule, naming the rule and the value.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        terms: str = "1111",
        dropout: float = 0.0,
        span: int | None = None,
        causal: bool = False,
    ) -> None:
        super().__init__()
        require_heads(embed_dim, num_heads)
        require_probability("dropout", dropout)
        if span is not None and (span < 1 or span % 2 == 0):
            raise ValueError(f"`span` must be odd and positive, or None, but is {span} instead.")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.terms = AttentionTerms.parse(terms)
        self.dropout, self.span, self.causal = dropout, span, causal
        # How many tokens a query sees to its left and to its right; None sets no limit.
        self.left_window = None if span is None else span - 1 if causal else span // 2
        self.right_window = 0 if causal else None if span is None else span // 2
        if self.terms.uses_query:
            self.q_proj = Linear(embed_dim, embed_dim, bias=False)
        if self.terms.uses_key:
            self.k_proj = Linear(embed_dim, embed_dim, bias=False)
        if self.terms.uses_position:
            self.r_proj = Linear(embed_dim, embed_dim, bias=False)
        if self.terms.key_only:
            self.u = nn.Parameter(torch.empty(num_heads, self.head_dim))
        if self.terms.position_only:
            self.v = nn.Parameter(torch.empty(num_heads, self.head_dim))
        self.v_proj = Linear(embed_dim, embed_dim)
        self.out_proj = Linear(embed_dim, embed_dim)
        self.reset_parameters()

    def extra_repr(self) -> str:
        """Say what is computed, for ``print(model)`` and the beginning of fairseq-train's log."""
        span = "" if self.span is None else f"span={self.span}, "
        return f"terms={self.terms}, heads={self.num_heads}, {span}causal={self.causal}"

    def reset_parameters(self) -> None:
        """Glorot-uniform weights, zero biases.

        The input projections are drawn as one (3C, C) matrix would be, as fairseq does.
        """
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif name in ("q_proj.weight", "k_proj.weight", "r_proj.weight", "v_proj.weight"):
                nn.init.xavier_uniform_(parameter, gain=2**-0.5)
            else:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        incremental_state: IncrementalState | None = None,
        need_weights: bool = True,
        static_kv: bool = False,
        attn_mask: Tensor | None = None,
        need_head_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend, time first, with the call of ``fairseq.modules.MultiheadAttention``.

        With ``incremental_state`` the queries continue where the last call ended, any number at a
        time. ``static_kv`` (encoder-decoder attention) keeps the keys of the first call; otherwise
        the keys given are appended to those seen before. ``key`` and ``value`` default to
        ``query`` and ``key``.

        Shape:
            - query: (Lq, B, C), or (Lq, B * n, C) where n rows, of the same beam search, share each
              row of keys; key, value: (Lk, B, C)
            - key_padding_mask: (B, Lk), True = padding, never attended to
            - attn_mask: (Lq, Lk) or (B * n * H, Lq, Lk); bool, True = blocked, or float, added
            - output: (Lq, B * n, C)
            - weights: (B * n, Lq, Lk), the mean over heads, with ``need_weights``;
              (H, B * n, Lq, Lk) with ``need_head_weights``; else None. Before dropout.

        Raises:
            ValueError: if there is no query or no key.
            ValueError: if weights are asked of a causal module that has begun to decode without
                them, and so kept no keys.
            ValueError: if the rows of the queries are not a multiple of those of the keys.
        """
        key = query if key is None else key
        cache = self.load_cache(incremental_state)
        key_rows = cache.rows if static_kv and cache is not None else key.size(1)
        if not (query.numel() and key.numel()):
            raise ValueError(
                "`query` and `key` must have at least one token of one row, but are "
                f"{tuple(query.shape)} and {tuple(key.shape)}."
            )
        # In training the rows must not share their dropout. A mask may differ between them.
        may_stack = not self.training and (attn_mask is None or attn_mask.dim() == 2)
        sharing = KeySharing.between(query, key_rows, may_stack=may_stack)
        inputs = AttentionInputs(
            query=sharing.stack(query),
            positions=len(query),
            sharing=sharing,
            key=key,
            value=key if value is None else value,
            padding=key_padding_mask,
            attn_mask=attn_mask,
            need_weights=need_weights or need_head_weights,
            static_kv=static_kv,
            is_incremental=incremental_state is not None,
            cache=cache,
        )
        backend = self.select_backend(inputs)
        if backend is Backend.SENTENCE_MEAN:
            output = self._sentence_mean(inputs)
        elif backend is Backend.CUMULATIVE_MEAN:
            output = self._cumulative_mean(inputs)
        else:
            output = self._attend(inputs, backend)
        assert sorted(output.terms) == sorted(self.terms.enabled), "every enabled term enters once"
        self.store_cache(incremental_state, output.cache)
        # (B, H, Lq, D) -> (Lq, B, C)
        projected = self.out_proj(output.heads.permute(2, 0, 1, 3).flatten(-2))
        projected = sharing.unstack(projected, query)
        if output.weights is None:
            return projected, None
        weights = sharing.unstack_weights(output.weights, query)
        return projected, weights.transpose(0, 1) if need_head_weights else weights.mean(1)

    def energies(self, query: Tensor, key: Tensor, *, query_offset: int = 0) -> dict[str, Tensor]:
        """Return the enabled terms of Equation 2 by name, each already scaled by D^-0.5.

        Shape:
            - query: (Lq, B, C); key: (Lk, B, C); ``query_offset`` is the position of query 0
            - each term: broadcastable to (B, H, Lq, Lk)
        """
        kv = self._project_key_value(key, key, None)._replace(query_position=query_offset)
        inputs = self._operands(query, len(query), kv).energy_inputs()
        return {name: ENERGIES[name](inputs) for name in self.terms.enabled}

    def relative_encoding(self, distances: Tensor) -> Tensor:
        """Return the sinusoid R_d of signed distances, in the type of the parameters.

        Shape:
            - distances: (N), in tokens
            - output: (N, C)
        """
        return relative_encoding(distances, self.embed_dim, self.v_proj.weight.dtype)

    def select_backend(self, inputs: AttentionInputs) -> Backend:
        """Choose how to compute the output; :class:`Backend` says what each costs.

        Raises:
            ValueError: if weights or a mask are asked for after steps that kept no keys.
        """
        cache, need_weights, static = inputs.cache, inputs.need_weights, inputs.static_kv
        has_attn_mask = inputs.attn_mask is not None
        # Dropout would make the weights of the queries differ.
        all_queries_alike = self.span is None and not has_attn_mask and not self._active_dropout
        if self.terms.uses_key_at_most and all_queries_alike:
            if not self.causal and (static or not inputs.is_incremental):
                return Backend.SENTENCE_MEAN
            keeps_keys = isinstance(cache, KVCache) or static or inputs.sharing.rows_per_key > 1
            if self.causal and not need_weights and not keeps_keys:
                return Backend.CUMULATIVE_MEAN
        if isinstance(cache, CumulativeMean):
            raise ValueError(
                "`need_weights` and `attn_mask` must be given from the first decoding step on, but "
                "are given after a step that kept no keys instead."
            )
        if need_weights or has_attn_mask:
            return Backend.WEIGHTS
        if not self.terms.query_key:
            return Backend.BIAS
        query = inputs.query
        if query.device.type == "cpu" and query.dtype in (torch.float32, torch.float64):
            # Fused attention has no gradient of the bias there: it would compute the same products
            # with copies of both sides.
            learns_bias = self.terms.uses_position and torch.is_grad_enabled()
            if learns_bias or self._keys_per_block(inputs) < _MIN_FUSED_KEYS:
                return Backend.MATMUL
        return Backend.FUSED

    def _keys_per_block(self, inputs: AttentionInputs) -> int:
        """Return how many keys meet a block of queries: all, or those in its window."""
        cached = inputs.cache.length if isinstance(inputs.cache, KVCache) else 0
        keys = cached if cached and inputs.static_kv else cached + len(inputs.key)
        if self.left_window is None or self.right_window is None:
            return keys
        block = min(inputs.positions, block_length(self.left_window, self.right_window))
        return min(keys, self.left_window + block + self.right_window)

    def _sentence_mean(self, inputs: AttentionInputs) -> AttentionOutput:
        """SENTENCE_MEAN: every query gets the same; encoder-decoder attention keeps it."""
        kept = inputs.cache
        if not isinstance(kept, SentenceMean):
            kv = self._project_key_value(inputs.key, inputs.value, inputs.padding)
            operands = self._operands(None, 1, kv)
            energy, terms = operands.sum_as_bias()
            energy = energy.expand(*kv.value.shape[:2], 1, -1)
            weights = masked_softmax(energy, operands.blocked())
            # (B, H, 1, Lk) @ (B, H, Lk, D) = (B, H, 1, D)
            kept = SentenceMean(weights @ kv.value, weights, terms)
        kept = kept._replace(rows_per_key=inputs.sharing.rows_per_key)
        returned = kept.weights if inputs.need_weights else None
        return AttentionOutput(kept.mean, returned, kept.terms, kept)

    def _cumulative_mean(self, inputs: AttentionInputs) -> AttentionOutput:
        """CUMULATIVE_MEAN: each query gets the mean up to itself, which is all that is kept."""
        kv = self._project_key_value(inputs.key, inputs.value, inputs.padding)
        energy, terms = self._operands(None, 1, kv).sum_as_bias()
        blocked = None if kv.padding is None else kv.padding_mask
        past = inputs.cache if isinstance(inputs.cache, CumulativeMean) else None
        # (B, H, 1, Lk) -> (B, H, Lk)
        energy = energy.expand(*kv.value.shape[:2], 1, -1).squeeze(2)
        heads, mean = cumulative_mean(energy, kv.value, blocked, past)
        return AttentionOutput(heads, None, terms, mean)

    def _attend(self, inputs: AttentionInputs, backend: Backend) -> AttentionOutput:
        """All other backends: attend to the keys and values of this and earlier calls."""
        kv = self._key_value(inputs)
        # The next query of a causal span does not see farther back than this.
        max_keys = self.span - 1 if self.causal and self.span is not None else None
        cache = kv.next(inputs.positions, inputs.sharing.rows_per_key, max_keys)
        if not inputs.sharing.is_stacked:
            kv = kv.repeat_rows(inputs.sharing.rows_per_key)
        operands = self._operands(inputs.query, inputs.positions, kv)
        if backend is Backend.WEIGHTS:
            heads, weights, terms = explicit_attention(
                operands, inputs.attn_mask, len(inputs.query)
            )
            return AttentionOutput(heads, weights if inputs.need_weights else None, terms, cache)
        attend = dense_attention if self.span is None else local_attention
        heads, terms = attend(operands, _KERNELS[backend])
        return AttentionOutput(heads, None, terms, cache)

    def _operands(self, query: Tensor | None, positions: int, kv: KVCache) -> AttentionOperands:
        """Project the queries, (Lq, B, C), and put together what the energies are made of."""
        scale = self.head_dim**-0.5
        projected = None
        if query is not None and self.terms.uses_query:
            projected = self.split_heads(self.q_proj(query) * scale)
        return AttentionOperands(
            terms=self.terms,
            query=projected,
            key=kv.key,
            value=kv.value,
            padding=kv.padding,
            u=self.u * scale if self.terms.key_only else None,
            v=self.v * scale if self.terms.position_only else None,
            project_distances=self._project_distances,
            positions=positions,
            query_offset=kv.query_offset,
            backward=self.left_window,
            forward=self.right_window,
            dropout=self._active_dropout,
            position_table=kv.position_table,
        )

    def _key_value(self, inputs: AttentionInputs) -> KVCache:
        """Project the keys and values of this call, or take and extend those of earlier ones."""
        past = inputs.cache if isinstance(inputs.cache, KVCache) else None
        if past is not None and inputs.static_kv:
            kv = past
        else:
            kv = self._project_key_value(inputs.key, inputs.value, inputs.padding)
            kv = kv if past is None else past.append(kv)
        if inputs.is_incremental and self.terms.uses_position and not torch.is_grad_enabled():
            return kv.with_position_table(inputs.positions, self._project_distances)
        return kv

    def _project_key_value(self, key: Tensor, value: Tensor, padding: Tensor | None) -> KVCache:
        projected = self.split_heads(self.k_proj(key)) if self.terms.uses_key else None
        return KVCache(projected, self.split_heads(self.v_proj(value)), padding)

    def _project_distances(self, first: int, count: int) -> Tensor:
        """Return r_proj R_d of the distances first, first + 1, ...: (H, count, D)."""
        distances = torch.arange(first, first + count, device=self.r_proj.weight.device)
        projected: Tensor = self.r_proj(self.relative_encoding(distances))
        # (N, C) -> (N, H, D) -> (H, N, D)
        return projected.view(count, self.num_heads, self.head_dim).transpose(0, 1)

    def split_heads(self, x: Tensor) -> Tensor:
        """(L, B, C) -> (B, H, L, D)."""
        return x.view(*x.shape[:-1], self.num_heads, self.head_dim).permute(1, 2, 0, 3)

    @property
    def _active_dropout(self) -> float:
        return self.dropout if self.training else 0.0

    def _get_input_buffer(
        self, incremental_state: IncrementalState | None
    ) -> dict[str, Tensor | None]:
        """Called by this name by the layers of fairseq, as is the next one."""
        cache = self.load_cache(incremental_state)
        return cache.to_fairseq() if isinstance(cache, KVCache) else {}

    def _set_input_buffer(
        self, incremental_state: IncrementalState, buffer: dict[str, Tensor | None]
    ) -> None:
        self.store_cache(incremental_state, KVCache.from_fairseq(buffer))
