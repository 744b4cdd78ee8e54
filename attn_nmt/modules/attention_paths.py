"""The ways through RelativeMultiheadAttention; all give what its ``energies`` specify.

- plain: every energy, every weight; where weights or an extra mask are asked for
- query-free (terms 0010, 0000): one mean a sentence, or a running one
- banded (a span, long sentences): blocks of queries over windows of keys
- dense: everything else, by fused attention or by a table of weights
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from attn_nmt.functional import banded
from attn_nmt.functional.attend import attend_by_bias, attend_by_product
from attn_nmt.functional.energies import (
    key_only_energy,
    position_only_energy,
    query_position_energy,
)
from attn_nmt.functional.masking import either_blocked, masked_softmax, out_of_reach
from attn_nmt.functional.running_mean import RunningMean, running_mean
from attn_nmt.modules.incremental import State
from attn_nmt.modules.memory import Memory

if TYPE_CHECKING:
    from attn_nmt.modules.relative_attention import RelativeMultiheadAttention

Remember = Callable[[State], None]
Mixed = tuple[Tensor, Tensor | None]
"""Mixed values (B, H, Lq or 1, D) and, where asked for, weights (B, H, Lq or 1, Lk)."""


@dataclass(frozen=True)
class Call:
    """The arguments of one forward call, (length, batch, channels), and the cache it finds."""

    query: Tensor
    key: Tensor
    value: Tensor
    padding: Tensor | None
    state: State
    caching: bool
    static: bool
    attn_mask: Tensor | None
    weighing: bool


def attend(module: RelativeMultiheadAttention, call: Call, *, remember: Remember) -> Mixed:
    """Take the way that fits the module and the call; ``remember`` stores the new cache."""
    if _is_query_free(module, call):
        if not module.causal and (call.static or not call.caching):
            return _one_mean(module, call, remember)
        if module.causal and not call.static and "prev_value" not in call.state:
            if not call.weighing:
                return _running_mean(module, call, remember), None
            if call.state:
                raise ValueError(
                    "`need_weights` must be asked for from the first decoding step on, but is "
                    "True after a step without instead."
                )
    memory = _remembered(module, call, remember)
    if call.weighing or call.attn_mask is not None:
        weights = plain_weights(module, call.query, memory, call.attn_mask)
        mixed = F.dropout(weights, module.dropout, module.training) @ memory.value
        return mixed, weights if call.weighing else None
    return _fast(module, call.query, memory), None


def plain_weights(
    module: RelativeMultiheadAttention, query: Tensor, memory: Memory, attn_mask: Tensor | None
) -> Tensor:
    """Return softmax of the sum of the energies, (B, H, Lq, Lk), as the equations have it."""
    batch, heads, key_length, _ = memory.value.shape
    found = module.projected_energies(
        module.project_query(query), memory.key, len(query), key_length, memory.query_offset
    )
    energy = reduce(torch.add, found.values()) if found else query.new_zeros(())
    energy = energy.expand(batch, heads, len(query), key_length)
    blocked = _blocked(module, len(query), memory)
    if attn_mask is not None:
        if attn_mask.dim() == 3:
            attn_mask = attn_mask.view(batch, heads, *attn_mask.shape[1:])
        if attn_mask.dtype != torch.bool:
            # -inf blocks: as a number it would give NaN where it fills a row.
            energy = energy + attn_mask.masked_fill(attn_mask == -torch.inf, 0.0)
            attn_mask = attn_mask == -torch.inf
        blocked = either_blocked(blocked, attn_mask)
    return masked_softmax(energy, blocked)


def _is_query_free(module: RelativeMultiheadAttention, call: Call) -> bool:
    """True if all queries have the same weights; attention dropout would make them differ."""
    return (
        not module.terms.uses_query
        and not module.terms.uses_position
        and module.span is None
        and call.attn_mask is None
        and not _dropout(module)
    )


def _one_mean(module: RelativeMultiheadAttention, call: Call, remember: Remember) -> Mixed:
    """Every query gets the same mean, (B, H, 1, D); encoder-decoder attention keeps it."""
    mean, weights = call.state.get("mean"), call.state.get("weights")
    if mean is None or weights is None:
        memory = module.project_memory(call.key, call.value, call.padding)
        blocked = None if call.padding is None else memory.padding_mask()[:, None, None]
        weights = masked_softmax(_key_energy(module, memory), blocked)
        # (B, H, 1, Lk) @ (B, H, Lk, D) = (B, H, 1, D)
        mean = weights @ memory.value
        remember({"mean": mean, "weights": weights})
    return mean, weights if call.weighing else None


def _running_mean(module: RelativeMultiheadAttention, call: Call, remember: Remember) -> Tensor:
    """Each query gets the mean up to itself; the cache is that mean alone, whatever the length."""
    memory = module.project_memory(call.key, call.value, call.padding)
    energy, mean = call.state.get("energy"), call.state.get("mean")
    past = None if energy is None or mean is None else RunningMean(energy, mean)
    blocked = None if call.padding is None else memory.padding_mask()
    mixed, now = running_mean(_key_energy(module, memory).squeeze(2), memory.value, blocked, past)
    remember({"energy": now.energy, "mean": now.mean})
    return mixed


def _key_energy(module: RelativeMultiheadAttention, memory: Memory) -> Tensor:
    """Energies of query-free terms, (B, H, 1, Lk)."""
    if memory.key is None:
        batch, heads, length, _ = memory.value.shape
        return memory.value.new_zeros(batch, heads, 1, length)
    return key_only_energy(module.u * module.head_dim**-0.5, memory.key)


def _remembered(module: RelativeMultiheadAttention, call: Call, remember: Remember) -> Memory:
    """Project the keys and values of this call, or take and extend those of earlier ones."""
    past = Memory.from_state(call.state)
    if past is not None and call.static:
        memory = past
    else:
        memory = module.project_memory(call.key, call.value, call.padding)
        memory = memory if past is None else past.append(memory)
    if call.caching:
        kept = memory
        if module.causal and module.span is not None:
            # The next query does not see farther back than this.
            kept = memory.keep(max(0, memory.length - module.span + 1), memory.length)
        state = kept.to_state(queries=len(call.query))
        remember(state)
    return memory


def _fast(module: RelativeMultiheadAttention, query: Tensor, memory: Memory) -> Tensor:
    """Return the mixed values (B, H, Lq or 1, D) without keeping the weights."""
    projected, length = module.project_query(query), len(query)
    if module.span is None:
        return _dense(module, projected, length, memory)
    backward, forward = module.reach
    assert backward is not None
    assert forward is not None, "a span limits both sides"
    first = max(0, memory.query_offset - backward)
    last = min(memory.length, memory.query_offset + length + forward)
    # Where no key is in reach, one that is blocked keeps the shapes.
    memory = memory.keep(first, last) if first < last else memory.keep(0, 1)
    block = banded.block_length(backward, forward)
    if length <= block or first >= last:
        return _dense(module, projected, length, memory)
    return _banded(module, projected, length, memory, block, backward, forward)


def _banded(
    module: RelativeMultiheadAttention,
    query: Tensor | None,
    query_length: int,
    memory: Memory,
    block: int,
    backward: int,
    forward: int,
) -> Tensor:
    """Attend block by block; see :mod:`attn_nmt.functional.banded`."""
    blocks = -(-query_length // block)
    sizes = (block, blocks, backward - memory.query_offset, forward + memory.query_offset)
    windows = Memory(
        None if memory.key is None else banded.key_windows(memory.key, *sizes),
        banded.key_windows(memory.value, *sizes),
        banded.padding_windows(memory.padding_mask(), *sizes),
        first_query=backward,
    )
    cut = None if query is None else banded.query_blocks(query, block)
    mixed = _dense(module, cut, block, windows).expand(-1, -1, block, -1)
    return banded.from_query_blocks(mixed, query_length, len(memory.value))


def _dense(
    module: RelativeMultiheadAttention, query: Tensor | None, query_length: int, memory: Memory
) -> Tensor:
    """Attend from all queries to all keys."""
    scale, terms = module.head_dim**-0.5, module.terms
    blocked = _blocked(module, query_length, memory)
    bias = _position_energy(module, query, query_length, memory)
    if terms.query_key and query is not None and memory.key is not None:
        if terms.key_only:
            # (q + u) . k, both terms in one product
            query = query + (module.u * scale).unsqueeze(1)
        return attend_by_product(query, memory.key, memory.value, bias, blocked, _dropout(module))
    if terms.key_only and memory.key is not None:
        own = key_only_energy(module.u * scale, memory.key)
        bias = own if bias is None else bias + own
    if bias is None:
        bias = memory.value.new_zeros(1, 1, 1, memory.length)
    return attend_by_bias(
        bias, memory.value, blocked, query_length=query_length, dropout=_dropout(module)
    )


def _position_energy(
    module: RelativeMultiheadAttention, query: Tensor | None, query_length: int, memory: Memory
) -> Tensor | None:
    """Sum of the two position terms, broadcastable to (B, H, Lq, Lk); None without them."""
    if not module.terms.uses_position:
        return None
    position = module.project_distances(query_length, memory.length, memory.query_offset)
    if module.terms.position_only:
        v = module.v * module.head_dim**-0.5
        if query is None or not module.terms.query_position:
            return position_only_energy(v, position, memory.length)
        # (q + v) . r, both terms in one product
        query = query + v.unsqueeze(1)
    assert query is not None, "query_position projects the query"
    return query_position_energy(query, position, memory.length)


def _blocked(
    module: RelativeMultiheadAttention, query_length: int, memory: Memory
) -> Tensor | None:
    """Join padding, causality and span; broadcastable to (B, H, Lq, Lk), True = blocked."""
    backward, forward = module.reach
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


def _dropout(module: RelativeMultiheadAttention) -> float:
    return module.dropout if module.training else 0.0
