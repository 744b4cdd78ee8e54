"""The specification itself: every energy of every pair, and every weight."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor

from attn_nmt.functional.masking import either_blocked, masked_softmax
from attn_nmt.modules.memory import Memory
from attn_nmt.modules.paths.call import Call
from attn_nmt.modules.projections import AttentionProjections


def plain_weights(module: AttentionProjections, call: Call, memory: Memory) -> Tensor:
    """Return softmax of the sum of the energies, (B, H, Lq, Lk), as the equations have it."""
    query, attn_mask = call.query, call.attn_mask
    batch, heads, key_length, _ = memory.value.shape
    found = module.projected_energies(
        module.project_query(query),
        memory.key,
        call.positions,
        key_length,
        memory.query_offset,
        memory.position_table,
    )
    precise = torch.promote_types(query.dtype, torch.float32)
    zero = query.new_zeros((), dtype=precise)
    energy = reduce(torch.add, (term.to(precise) for term in found.values())) if found else zero
    energy = energy.expand(batch, heads, len(query), key_length)
    blocked = module.blocked(call.positions, memory)
    if attn_mask is not None:
        if attn_mask.dim() == 3:
            attn_mask = attn_mask.view(batch, heads, *attn_mask.shape[1:])
        if attn_mask.dtype != torch.bool:
            # -inf blocks: as a number it would give NaN where it fills a row.
            energy = energy + attn_mask.masked_fill(attn_mask == -torch.inf, 0.0)
            attn_mask = attn_mask == -torch.inf
        blocked = either_blocked(blocked, attn_mask)
    return masked_softmax(energy, blocked).to(query.dtype)
