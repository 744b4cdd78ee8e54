"""Multi-head attention whose energy is a sum of four switchable terms (Equations 1, 2 and 8)."""

from __future__ import annotations

import torch
from torch import Tensor

from attn_nmt.functional.relative_position import relative_encoding
from attn_nmt.modules.incremental import IncrementalState, State
from attn_nmt.modules.key_sharing import KeySharing, follow
from attn_nmt.modules.memory import rows_kept
from attn_nmt.modules.paths import Call, attend
from attn_nmt.modules.projections import AttentionProjections


class RelativeMultiheadAttention(AttentionProjections):
    """Attention over content and signed relative position, each term switched on or off.

    For query z_q at absolute position i and key x_k at j, with d = j - i, one head of width D::

        energy  = D^-0.5 * (q . k  +  q . r_d  +  u . k  +  v . r_d)      terms 1000 0100 0010 0001
        q, k, r_d = q_proj z_q, k_proj x_k, r_proj R_d
        output  = out_proj(softmax over the allowed keys of energy . v_proj x)

    ``q_proj``, ``k_proj`` and ``r_proj`` have no bias: a bias on the query would bring back the
    last two terms where they are switched off. A parameter exists only if an enabled term uses it.
    Positions count every slot of the tensors, so in encoder-decoder attention the padding of the
    keys belongs on the right.

    :meth:`energies` is the specification. ``paths`` holds the faster ways to the same
    result: terms that do not look at the query cost no more than their length, a span no more than
    length times span.

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
        the keys given are appended to those seen before. ``key`` and ``value`` left out are
        ``query`` and ``key``.

        Shape:
            - query: (Lq, B, C), or (Lq, B * n, C) where n rows, of the same beam search, share each
              row of keys; key, value: (Lk, B, C)
            - key_padding_mask: (B, Lk), True = padding, never attended to
            - attn_mask: (Lq, Lk) or (B * H, Lq, Lk); bool, True = blocked, or float, added
            - output: (Lq, B, C)
            - weights: (B, Lq, Lk), the mean over heads, with ``need_weights``; (H, B, Lq, Lk) with
              ``need_head_weights``; else None. Before dropout.

        Raises:
            ValueError: if weights are asked of a causal module that has begun to decode without
                them, and so kept no keys.
            ValueError: if the rows of the queries are no multiple of those of the keys.
        """
        key = query if key is None else key
        state = self._get_input_buffer(incremental_state)
        sharing = self._sharing(query, key, state, static_kv)
        heads, weights = attend(
            self,
            Call(
                query=sharing.stack(query),
                positions=len(query),
                rows_per_key=1 if sharing.is_stacked else sharing.rows_per_key,
                key=key,
                value=key if value is None else value,
                padding=key_padding_mask,
                state=state,
                caching=incremental_state is not None,
                static=static_kv,
                attn_mask=attn_mask,
                weighing=need_weights or need_head_weights,
            ),
            remember=lambda state: self._remember(incremental_state, state, sharing),
        )
        # (B, H, Lq, D) -> (Lq, B, C); one query stands for all where none is looked at
        output = sharing.unstack(self.out_proj(heads.permute(2, 0, 1, 3).flatten(-2)), query)
        if weights is None:
            return output, None
        weights = sharing.unstack_weights(weights, query)
        return output, weights.transpose(0, 1) if need_head_weights else weights.mean(1)

    def _sharing(self, query: Tensor, key: Tensor, state: State, static: bool) -> KeySharing:
        rows = rows_kept(state) if state and static else key.size(1)
        # A row must not share its dropout with another.
        return KeySharing.between(query, rows, may_stack=not self.training)

    def _remember(
        self, incremental_state: IncrementalState | None, state: State, sharing: KeySharing
    ) -> None:
        if sharing.rows_per_key > 1:
            state = {**state, "rows_per_key": torch.tensor(sharing.rows_per_key)}
        self._set_input_buffer(incremental_state, state)

    def reorder_incremental_state(
        self, incremental_state: IncrementalState, new_order: Tensor
    ) -> IncrementalState:
        """Follow the beam search; keys that rows share stay where these change places."""
        state = self._get_input_buffer(incremental_state)
        rows_per_key = state.get("rows_per_key")
        if rows_per_key is None:
            return super().reorder_incremental_state(incremental_state, new_order)
        kept, rows = follow(new_order, int(rows_per_key), rows_kept(state))
        if kept is not None:
            super().reorder_incremental_state(incremental_state, kept)
        state = self._get_input_buffer(incremental_state)
        self._set_input_buffer(incremental_state, {**state, "rows_per_key": torch.tensor(rows)})
        return incremental_state

    def energies(self, query: Tensor, key: Tensor, *, query_offset: int = 0) -> dict[str, Tensor]:
        """Return the enabled terms of Equation 2 by name, each already scaled by D^-0.5.

        Shape:
            - query: (Lq, B, C); key: (Lk, B, C); ``query_offset`` is the position of query 0
            - each term: broadcastable to (B, H, Lq, Lk)
        """
        return self.projected_energies(
            self.project_query(query), self.project_key(key), len(query), len(key), query_offset
        )

    def relative_encoding(self, distances: Tensor) -> Tensor:
        """Return the sinusoid R_d of signed distances, in the type of the parameters.

        Shape:
            - distances: (N), in tokens
            - output: (N, C)
        """
        return relative_encoding(distances, self.embed_dim, self.v_proj.weight.dtype)
