"""No more keys than a span can reach, in blocks of queries where that saves anything."""

from __future__ import annotations

from torch import Tensor

from attn_nmt.functional import banded
from attn_nmt.modules.memory import Memory
from attn_nmt.modules.paths.dense import dense
from attn_nmt.modules.projections import AttentionProjections


def within_reach(
    module: AttentionProjections, query: Tensor, length: int, memory: Memory
) -> Tensor:
    """Return the mixed values (B, H, Lq or 1, D) of ``length`` positions, without the weights."""
    projected = module.project_query(query)
    if module.span is None:
        return dense(module, projected, length, memory)
    backward, forward = module.reach
    assert backward is not None
    assert forward is not None, "a span limits both sides"
    first = max(0, memory.query_offset - backward)
    last = min(memory.length, memory.query_offset + length + forward)
    # Where no key is in reach, one that is blocked keeps the shapes.
    memory = memory.keep(first, last) if first < last else memory.keep(0, 1)
    block = banded.block_length(backward, forward)
    if length <= block or first >= last:
        return dense(module, projected, length, memory)
    return _in_blocks(module, projected, length, memory, block, backward, forward)


def _in_blocks(
    module: AttentionProjections,
    query: Tensor | None,
    query_length: int,
    memory: Memory,
    block: int,
    backward: int,
    forward: int,
) -> Tensor:
    """Attend block by block; see :mod:`attn_nmt.functional.banded`."""
    blocks = -(-query_length // block)
    # Keys before the first query, which a cache brings, fill part of the window's left side.
    sizes = (block, blocks, backward - memory.query_offset, forward + memory.query_offset)
    windows = Memory(
        None if memory.key is None else banded.key_windows(memory.key, *sizes),
        banded.key_windows(memory.value, *sizes),
        banded.padding_windows(memory.padding_mask(), *sizes),
        first_query=backward,
    )
    cut = None if query is None else banded.query_blocks(query, block)
    mixed = dense(module, cut, block, windows).expand(-1, -1, block, -1)
    return banded.from_query_blocks(mixed, query_length, len(memory.value))
