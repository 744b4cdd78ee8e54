"""Which way fits the module and the call."""

from __future__ import annotations

import torch.nn.functional as F

from attn_nmt.modules.memory import Memory
from attn_nmt.modules.paths.call import Call, Mixed, Remember
from attn_nmt.modules.paths.plain import plain_weights
from attn_nmt.modules.paths.query_free import (
    is_mean_so_far,
    is_query_free,
    mean_so_far,
    one_mean,
)
from attn_nmt.modules.paths.within_span import within_reach
from attn_nmt.modules.projections import AttentionProjections


def attend(module: AttentionProjections, call: Call, *, remember: Remember) -> Mixed:
    """Take the way that fits the module and the call; ``remember`` stores the new cache."""
    if is_query_free(module, call):
        if not module.causal and (call.static or not call.caching):
            return one_mean(module, call, remember)
        if module.causal and not (call.static or call.weighing or "prev_value" in call.state):
            return mean_so_far(module, call, remember), None
    if is_mean_so_far(call.state):
        raise ValueError(
            "`need_weights` and `attn_mask` must be given from the first decoding step on, but are "
            "given after a step that kept no keys instead."
        )
    memory = _remembered(module, call, remember).repeat(call.rows_per_key)
    if call.weighing or call.attn_mask is not None:
        weights = plain_weights(module, call, memory)
        mixed = F.dropout(weights, module.dropout, module.training) @ memory.value
        return mixed, weights if call.weighing else None
    return within_reach(module, call.query, call.positions, memory), None


def _remembered(module: AttentionProjections, call: Call, remember: Remember) -> Memory:
    """Project the keys and values of this call, or take and extend those of earlier ones."""
    past = Memory.from_state(call.state)
    if past is not None and call.static:
        memory = past.settle()
    else:
        memory = module.project_memory(call.key, call.value, call.padding)
        memory = memory if past is None else past.append(memory)
    if call.caching:
        kept = memory = module.with_position_table(memory, call.positions)
        if module.causal and module.span is not None:
            # The next query does not see farther back than this.
            kept = memory.keep(max(0, memory.length - module.span + 1), memory.length)
        state = kept.to_state(queries=call.positions)
        remember(state)
    return memory
