"""Attention that does not look at the query: one weighted mean, or one that runs along.

Without query and position the energy e_j belongs to the key alone, so every query of a sentence
has the same weights, and causal ones share all but the last key: time and memory are linear in the
length, and a decoding step needs no more than the mean so far.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from attn_nmt.functional.masking import masked_softmax

# Keys weighed by one matrix product; the cost per key grows with it, the number of steps shrinks.
_CHUNK = 64


class RunningMean(NamedTuple):
    """All keys seen so far, as if they were one.

    Shape:
        - energy: (B, H, 1), log of the sum of exp(e_j), in float32 at least
        - mean: (B, H, 1, D), sum of softmax(e)_j v_j
    """

    energy: Tensor
    mean: Tensor


def running_mean(
    energy: Tensor, value: Tensor, blocked: Tensor | None, past: RunningMean | None = None
) -> tuple[Tensor, RunningMean]:
    """Return y_i = sum over allowed j <= i of softmax(e)_j v_j, and what to go on from.

    Chunk by chunk: in each, the keys before it count as one key whose energy is their log-sum-exp
    and whose value is their mean. Every exponent is at most zero, so nothing overflows.

    Shape:
        - energy: (B, H, L); value: (B, H, L, D); blocked: (B, L), True = never counted
        - output: (B, H, L, D), zero where no key is allowed yet
    """
    energy = energy.to(torch.promote_types(energy.dtype, torch.float32))
    if blocked is not None:
        energy = energy.masked_fill(blocked.unsqueeze(1), torch.finfo(energy.dtype).min)
    outputs, start = [], 0
    # No ``range``: torch.compile would go through it anew for every length.
    while start < energy.size(-1):
        chunk = slice(start, start + _CHUNK)
        hidden = None if blocked is None else blocked[:, chunk]
        output, past = _chunk(energy[..., chunk], value[..., chunk, :], hidden, past)
        outputs.append(output)
        start += _CHUNK
    assert past is not None, "a sequence has at least one position"
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2), past


def _chunk(
    energy: Tensor, value: Tensor, blocked: Tensor | None, past: RunningMean | None
) -> tuple[Tensor, RunningMean]:
    length, earlier = energy.size(-1), 0 if past is None else 1
    if past is not None:
        energy = torch.cat((past.energy, energy), dim=-1)
        value = torch.cat((past.mean, value), dim=2)
    # (L, L + 1) with a past, whose column is never in the future
    mask = torch.ones(length, length + earlier, dtype=torch.bool, device=energy.device)
    mask = mask.triu(1 + earlier)
    if blocked is not None:
        # (B, L) -> (B, 1, 1, L + 1)
        mask = mask | torch.nn.functional.pad(blocked, (earlier, 0))[:, None, None]
    # (B, H, 1, L + 1) -> (B, H, L, L + 1)
    spread = energy.unsqueeze(2).expand(-1, -1, length, -1)
    # (B, H, L, L + 1) @ (B, H, L + 1, D) = (B, H, L, D)
    output = masked_softmax(spread, mask).to(value.dtype) @ value
    return output, RunningMean(energy.logsumexp(-1, keepdim=True), output[:, :, -1:])
