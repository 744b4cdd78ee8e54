"""Multi-head attention whose energy is a sum of four switchable terms (Equations 1, 2 and 8)."""

from __future__ import annotations

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attn_nmt.functional.energies import (
    key_only_energy,
    position_only_energy,
    query_key_energy,
    query_position_energy,
)
from attn_nmt.functional.masking import either_blocked, masked_softmax, out_of_reach
from attn_nmt.functional.relative_position import distance_range, relative_encoding
from attn_nmt.modules.incremental import IncrementalModule, IncrementalState
from attn_nmt.modules.memory import Memory
from attn_nmt.terms import AttentionTerms


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

    SHARED_STATE = ("queries_seen",)

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
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise ValueError(
                "`embed_dim` must be a positive multiple of `num_heads`, "
                f"but is {embed_dim} for {num_heads} heads instead."
            )
        if span is not None and (span < 1 or span % 2 == 0):
            raise ValueError(f"`span` must be odd and positive, or None, but is {span} instead.")
        if not 0.0 <= dropout <= 1.0:
            raise ValueError(f"`dropout` must lie between 0 and 1, but is {dropout} instead.")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.terms = AttentionTerms.parse(terms)
        self.dropout, self.span, self.causal = dropout, span, causal
        self._build_parameters()
        self.reset_parameters()

    def _build_parameters(self) -> None:
        width, per_head = self.embed_dim, (self.num_heads, self.head_dim)
        if self.terms.uses_query:
            self.q_proj = nn.Linear(width, width, bias=False)
        if self.terms.uses_key:
            self.k_proj = nn.Linear(width, width, bias=False)
        if self.terms.uses_position:
            self.r_proj = nn.Linear(width, width, bias=False)
        if self.terms.key_only:
            self.u = nn.Parameter(torch.empty(per_head))
        if self.terms.position_only:
            self.v = nn.Parameter(torch.empty(per_head))
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

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
        the keys given are appended to those seen before. ``key`` and ``value`` left out are
        ``query`` and ``key``.

        Shape:
            - query: (Lq, B, C); key, value: (Lk, B, C)
            - key_padding_mask: (B, Lk), True = padding, never attended to
            - attn_mask: (Lq, Lk) or (B * H, Lq, Lk); bool, True = blocked, or float, added
            - output: (Lq, B, C)
            - weights: (B, Lq, Lk), the mean over heads, with ``need_weights``; (H, B, Lq, Lk) with
              ``need_head_weights``; else None. Before dropout.
        """
        memory = self._remember(query, key, value, key_padding_mask, incremental_state, static_kv)
        weights = self._weights(query, memory, attn_mask)
        # (B, H, Lq, Lk) @ (B, H, Lk, D) = (B, H, Lq, D)
        heads = F.dropout(weights, self.dropout, self.training) @ memory.value
        # (B, H, Lq, D) -> (Lq, B, C)
        output = self.out_proj(heads.permute(2, 0, 1, 3).flatten(-2))
        if need_head_weights:
            return output, weights.transpose(0, 1)
        return output, weights.mean(1) if need_weights else None

    def energies(self, query: Tensor, key: Tensor, *, query_offset: int = 0) -> dict[str, Tensor]:
        """Return the enabled terms of Equation 2 by name, each already scaled by D^-0.5.

        Shape:
            - query: (Lq, B, C); key: (Lk, B, C); ``query_offset`` is the position of query 0
            - each term: broadcastable to (B, H, Lq, Lk)
        """
        return self._energies(query, self._project_key(key), len(key), query_offset)

    def relative_encoding(self, distances: Tensor) -> Tensor:
        """Return the sinusoid R_d of signed distances, in the type of the parameters.

        Shape:
            - distances: (N), in tokens
            - output: (N, C)
        """
        return relative_encoding(distances, self.embed_dim, self.v_proj.weight.dtype)

    def _energies(
        self, query: Tensor, key: Tensor | None, key_length: int, query_offset: int
    ) -> dict[str, Tensor]:
        """The one specification behind full pass and cached step; ``key`` is projected, or None."""
        scale = self.head_dim**-0.5
        found: dict[str, Tensor] = {}
        if self.terms.uses_query:
            q = self._split_heads(self.q_proj(query)) * scale
        if self.terms.uses_position:
            r = self._project_distances(len(query), key_length, query_offset, query.device)
        if self.terms.query_key and key is not None:
            found["query_key"] = query_key_energy(q, key)
        if self.terms.query_position:
            found["query_position"] = query_position_energy(q, r, key_length)
        if self.terms.key_only and key is not None:
            found["key_only"] = key_only_energy(self.u * scale, key)
        if self.terms.position_only:
            found["position_only"] = position_only_energy(self.v * scale, r, key_length)
        return found

    def _weights(self, query: Tensor, memory: Memory, attn_mask: Tensor | None) -> Tensor:
        """Return the attention weights (B, H, Lq, Lk)."""
        batch, heads, key_length, _ = memory.value.shape
        shape = (batch, heads, len(query), key_length)
        found = self._energies(query, memory.key, key_length, memory.query_offset)
        energy = reduce(torch.add, found.values()) if found else query.new_zeros(())
        energy, blocked = energy.expand(shape), self._blocked(len(query), memory)
        if attn_mask is not None:
            if attn_mask.dim() == 3:
                attn_mask = attn_mask.view(batch, heads, *attn_mask.shape[1:])
            if attn_mask.dtype != torch.bool:
                # -inf blocks: as a number it would give NaN where it fills a row.
                energy = energy + attn_mask.masked_fill(attn_mask == -torch.inf, 0.0)
                attn_mask = attn_mask == -torch.inf
            blocked = either_blocked(blocked, attn_mask)
        return masked_softmax(energy, blocked)

    def _blocked(self, query_length: int, memory: Memory) -> Tensor | None:
        """Join padding, causality and span; broadcastable to (B, H, Lq, Lk), True = blocked."""
        reach = None
        if self.span is not None:
            reach = self.span - 1 if self.causal else self.span // 2
        blocked = out_of_reach(
            query_length,
            memory.value.size(2),
            query_offset=memory.query_offset,
            backward=reach,
            forward=0 if self.causal else reach,
            device=memory.value.device,
        )
        if memory.padding is None:
            return blocked
        # (B, Lk) -> (B, 1, 1, Lk)
        return either_blocked(blocked, memory.padding.to(torch.bool)[:, None, None])

    def _remember(
        self,
        query: Tensor,
        key: Tensor | None,
        value: Tensor | None,
        padding: Tensor | None,
        incremental_state: IncrementalState | None,
        static_kv: bool,
    ) -> Memory:
        """Project the keys and values of this call, or take and extend those of earlier ones."""
        past = Memory.from_state(self._load_state(incremental_state))
        if past is not None and static_kv:
            memory = past
        else:
            key = query if key is None else key
            value = key if value is None else value
            new = Memory(self._project_key(key), self._split_heads(self.v_proj(value)), padding)
            memory = new if past is None else past.append(new)
        self._save_state(incremental_state, memory.to_state(queries=len(query)))
        return memory

    def _project_key(self, key: Tensor) -> Tensor | None:
        return self._split_heads(self.k_proj(key)) if self.terms.uses_key else None

    def _project_distances(
        self, query_length: int, key_length: int, query_offset: int, device: torch.device
    ) -> Tensor:
        """Return r_proj R_d of all Lq + Lk - 1 distances, (H, N, D); no batch axis."""
        distances = distance_range(
            query_length, key_length, query_offset=query_offset, device=device
        )
        projected: Tensor = self.r_proj(self.relative_encoding(distances))
        # (N, C) -> (N, H, D) -> (H, N, D)
        return projected.view(-1, self.num_heads, self.head_dim).transpose(0, 1)

    def _split_heads(self, x: Tensor) -> Tensor:
        """(L, B, C) -> (B, H, L, D)."""
        return x.view(*x.shape[:-1], self.num_heads, self.head_dim).permute(1, 2, 0, 3)
