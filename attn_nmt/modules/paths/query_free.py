"""Terms 0010 and 0000, which do not look at the query: one mean a sentence, or a running one."""

from __future__ import annotations

from torch import Tensor

from attn_nmt.functional.energies import key_only_energy
from attn_nmt.functional.masking import masked_softmax
from attn_nmt.functional.running_mean import RunningMean, running_mean
from attn_nmt.modules.incremental import State
from attn_nmt.modules.memory import Memory
from attn_nmt.modules.paths.call import Call, Mixed, Remember
from attn_nmt.modules.projections import AttentionProjections


def is_query_free(module: AttentionProjections, call: Call) -> bool:
    """True if all queries have the same weights; attention dropout would make them differ."""
    return (
        not module.terms.uses_query
        and not module.terms.uses_position
        and module.span is None
        and call.attn_mask is None
        and not module.active_dropout
    )


def is_mean_so_far(state: State) -> bool:
    """True if the cache is a running mean, from which no keys can be had back."""
    return "energy" in state


def one_mean(module: AttentionProjections, call: Call, remember: Remember) -> Mixed:
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


def mean_so_far(module: AttentionProjections, call: Call, remember: Remember) -> Tensor:
    """Each query gets the mean up to itself; the cache is that mean alone, whatever the length."""
    memory = module.project_memory(call.key, call.value, call.padding)
    energy, mean = call.state.get("energy"), call.state.get("mean")
    past = None if energy is None or mean is None else RunningMean(energy, mean)
    blocked = None if call.padding is None else memory.padding_mask()
    mixed, now = running_mean(_key_energy(module, memory).squeeze(2), memory.value, blocked, past)
    remember({"energy": now.energy, "mean": now.mean})
    return mixed


def _key_energy(module: AttentionProjections, memory: Memory) -> Tensor:
    """Energies of query-free terms, (B, H, 1, Lk)."""
    if memory.key is None:
        batch, heads, length, _ = memory.value.shape
        return memory.value.new_zeros(batch, heads, 1, length)
    return key_only_energy(module.u * module.head_dim**-0.5, memory.key)
