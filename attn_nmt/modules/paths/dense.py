"""All queries to all keys: fused attention, or a table of weights where no product is needed."""

from __future__ import annotations

import torch
from torch import Tensor

from attn_nmt.functional.attend import attend_by_bias, attend_by_product
from attn_nmt.functional.energies import (
    energy_by_distance,
    key_only_energy,
    position_only_energy,
    query_position_energy,
)
from attn_nmt.modules.memory import Memory
from attn_nmt.modules.projections import AttentionProjections


def dense(
    module: AttentionProjections, query: Tensor | None, query_length: int, memory: Memory
) -> Tensor:
    """Attend from all queries to all keys."""
    scale, terms = module.head_dim**-0.5, module.terms
    blocked = module.blocked(query_length, memory)
    bias = _position_energy(module, query, query_length, memory)
    if terms.query_key and query is not None and memory.key is not None:
        # A row of energies is shorter than a query, and the query is kept for the bias anyway.
        # Compiled, it is all one pass, and a rule about lengths would be a reason to compile again.
        in_bias = not torch.compiler.is_compiling() and memory.length <= module.head_dim
        if terms.key_only and bias is not None and in_bias:
            bias = bias + key_only_energy(module.u * scale, memory.key)
        elif terms.key_only:
            # (q + u) . k, both terms in one product
            query = query + (module.u * scale).unsqueeze(1)
        return attend_by_product(
            query, memory.key, memory.value, bias, blocked, module.active_dropout
        )
    if terms.key_only and memory.key is not None:
        own = key_only_energy(module.u * scale, memory.key)
        bias = own if bias is None else bias + own
    if bias is None:
        bias = memory.value.new_zeros(1, 1, 1, memory.length)
    return attend_by_bias(
        bias, memory.value, blocked, query_length=query_length, dropout=module.active_dropout
    )


def _position_energy(
    module: AttentionProjections, query: Tensor | None, query_length: int, memory: Memory
) -> Tensor | None:
    """Sum of the two position terms, broadcastable to (B, H, Lq, Lk); None without them."""
    if not module.terms.uses_position:
        return None
    position = module.project_distances(
        query_length, memory.length, memory.query_offset, memory.position_table
    )
    v = module.v * module.head_dim**-0.5 if module.terms.position_only else None
    if query is not None and module.terms.query_position:
        more = None if v is None else energy_by_distance(v, position)
        return query_position_energy(query, position, memory.length, more=more)
    assert v is not None, "one of the two terms is enabled"
    return position_only_energy(v, position, memory.length)
