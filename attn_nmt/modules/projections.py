"""The parameters behind the four terms, what they project, and which keys a query may see."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attn_nmt.functional.energies import (
    key_only_energy,
    position_only_energy,
    query_key_energy,
    query_position_energy,
)
from attn_nmt.functional.masking import either_blocked, out_of_reach
from attn_nmt.modules.arguments import require_heads, require_probability
from attn_nmt.modules.incremental import IncrementalModule
from attn_nmt.modules.linear import Linear
from attn_nmt.modules.memory import LATE_STATE, SHARED_STATE, Memory
from attn_nmt.modules.position_table import from_table, project_range, table_reaching
from attn_nmt.terms import AttentionTerms


class AttentionProjections(IncrementalModule):
    """All of :class:`attn_nmt.modules.RelativeMultiheadAttention` but the attending itself.

    Arguments and errors are those of that class.
    """

    SHARED_STATE, LATE_STATE = SHARED_STATE, LATE_STATE

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
        self._build_parameters()
        self.reset_parameters()

    def _build_parameters(self) -> None:
        width, per_head = self.embed_dim, (self.num_heads, self.head_dim)
        if self.terms.uses_query:
            self.q_proj = Linear(width, width, bias=False)
        if self.terms.uses_key:
            self.k_proj = Linear(width, width, bias=False)
        if self.terms.uses_position:
            self.r_proj = Linear(width, width, bias=False)
        if self.terms.key_only:
            self.u = nn.Parameter(torch.empty(per_head))
        if self.terms.position_only:
            self.v = nn.Parameter(torch.empty(per_head))
        self.v_proj = Linear(width, width)
        self.out_proj = Linear(width, width)

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

    def projected_energies(
        self,
        query: Tensor | None,
        key: Tensor | None,
        query_length: int,
        key_length: int,
        query_offset: int,
        position_table: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the enabled terms of Equation 2 by name; full pass and cached step both use it.

        Shape:
            - query: (B, H, Lq, D), scaled; key: (B, H, Lk, D); None where no term uses it
            - position_table: that of the search, if there is one
        """
        scale, found = self.head_dim**-0.5, {}
        if self.terms.uses_position:
            position = self.project_distances(
                query_length, key_length, query_offset, position_table
            )
        if self.terms.query_key and query is not None and key is not None:
            found["query_key"] = query_key_energy(query, key)
        if self.terms.query_position and query is not None:
            found["query_position"] = query_position_energy(query, position, key_length)
        if self.terms.key_only and key is not None:
            found["key_only"] = key_only_energy(self.u * scale, key)
        if self.terms.position_only:
            found["position_only"] = position_only_energy(self.v * scale, position, key_length)
        return found

    def project_query(self, query: Tensor) -> Tensor | None:
        """(Lq, B, C) -> (B, H, Lq, D), scaled by D^-0.5; None where no term uses the query."""
        if not self.terms.uses_query:
            return None
        projected: Tensor = self.q_proj(query) * self.head_dim**-0.5
        return self.split_heads(projected)

    def project_key(self, key: Tensor) -> Tensor | None:
        """(Lk, B, C) -> (B, H, Lk, D); None where no term uses the key."""
        return self.split_heads(self.k_proj(key)) if self.terms.uses_key else None

    def project_memory(self, key: Tensor, value: Tensor, padding: Tensor | None) -> Memory:
        """Project what is attended to; key and value: (Lk, B, C), padding: (B, Lk)."""
        return Memory(self.project_key(key), self.split_heads(self.v_proj(value)), padding)

    def project_distances(
        self,
        query_length: int,
        key_length: int,
        query_offset: int,
        position_table: Tensor | None = None,
    ) -> Tensor:
        """Return r_proj R_d of all Lq + Lk - 1 distances, ascending: (H, N, D), no batch axis."""
        first = -(query_offset + query_length - 1)
        count = query_length + key_length - 1
        if position_table is None:
            projected = project_range(self.r_proj, first, count)
        else:
            projected = from_table(position_table, first, count)
        # (N, C) -> (N, H, D) -> (H, N, D)
        return projected.view(count, self.num_heads, self.head_dim).transpose(0, 1)

    def with_position_table(self, memory: Memory, query_length: int) -> Memory:
        """Have a search keep the projected distances that these queries need, and some more."""
        if not self.terms.uses_position or torch.is_grad_enabled():
            return memory
        offset = memory.query_offset
        reach = max(offset + query_length - 1, memory.length - 1 - offset)
        table = table_reaching(memory.position_table, self.r_proj, reach)
        return memory._replace(position_table=table)

    def split_heads(self, x: Tensor) -> Tensor:
        """(L, B, C) -> (B, H, L, D)."""
        return x.view(*x.shape[:-1], self.num_heads, self.head_dim).permute(1, 2, 0, 3)

    @property
    def reach(self) -> tuple[int | None, int | None]:
        """How many tokens back and ahead a query sees; None sets no limit."""
        if self.span is None:
            return None, 0 if self.causal else None
        return (self.span - 1, 0) if self.causal else (self.span // 2, self.span // 2)

    def blocked(self, query_length: int, memory: Memory) -> Tensor | None:
        """Join padding, causality and span; broadcastable to (B, H, Lq, Lk), True = blocked."""
        backward, forward = self.reach
        blocked = out_of_reach(
            query_length,
            memory.length,
            query_offset=memory.query_offset,
            backward=backward,
            forward=forward,
            device=memory.value.device,
        )
        if memory.padding is None:
            return blocked
        # (B, Lk) -> (B, 1, 1, Lk)
        return either_blocked(blocked, memory.padding_mask()[:, None, None])

    @property
    def active_dropout(self) -> float:
        """The probability of dropping a weight now: none in evaluation."""
        return self.dropout if self.training else 0.0
