"""Sums and softmax-weighted means over the past of every position, in linear time and in blocks.

Without query and position the energy e_j belongs to the key alone, so causal queries share the
weights of all but the last key, and a decoding step needs no more than the mean up to it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from attn_nmt.functional.attention import masked_softmax

# Keys per matrix product: the cost per key grows with it, the number of steps falls.
_CHUNK = 64
# Rows per pass of a sum. A pass over a whole sentence would leave the processor's cache at each.
_SUM_BLOCK = 32


class CumulativeMean(NamedTuple):
    """All keys up to a position, as if they were one.

    Shape:
        - energy: (B, H, 1), log of the sum of exp(e_j)
        - mean: (B, H, 1, D), sum of softmax(e)_j v_j

    The energy is in float32 at least. So is a mean that a search has continued, which would be
    rounded again at every step.
    """

    energy: Tensor
    mean: Tensor

    def reorder(self, new_order: Tensor) -> CumulativeMean:
        """Select the rows that a beam search continues with: row b becomes row new_order[b]."""
        return CumulativeMean(*(tensor.index_select(0, new_order) for tensor in self))


def cumulative_mean(
    energy: Tensor, value: Tensor, blocked: Tensor | None, past: CumulativeMean | None = None
) -> tuple[Tensor, CumulativeMean]:
    """Return y_i = sum over allowed j <= i of softmax(e)_j v_j, and the mean to continue from.

    The keys go in chunks. In each, all keys before it count as one key, whose energy is their
    log-sum-exp and whose value is their mean. Every exponent is at most zero: nothing overflows.

    Shape:
        - energy: (B, H, L); value: (B, H, L, D); blocked: (B, L), True = never counted
        - output: (B, H, L, D), zero where no key is allowed yet
    """
    dtype, at_least_float32 = value.dtype, torch.promote_types(value.dtype, torch.float32)
    energy = energy.to(at_least_float32)
    if past is not None:
        past, value = past._replace(mean=past.mean.to(at_least_float32)), value.to(at_least_float32)
    if blocked is not None:
        energy = energy.masked_fill(blocked.unsqueeze(1), torch.finfo(energy.dtype).min)
    outputs, start = [], 0
    # Not a loop over `range`, which torch.compile would unroll anew for every length.
    while start < energy.size(-1):
        chunk = slice(start, start + _CHUNK)
        chunk_blocked = None if blocked is None else blocked[:, chunk]
        output, past = _mean_of_chunk(energy[..., chunk], value[..., chunk, :], chunk_blocked, past)
        outputs.append(output)
        start += _CHUNK
    assert past is not None, "a sequence has at least one position"
    output = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
    return output.to(dtype), past


def _mean_of_chunk(
    energy: Tensor, value: Tensor, blocked: Tensor | None, past: CumulativeMean | None
) -> tuple[Tensor, CumulativeMean]:
    length, earlier = energy.size(-1), 0 if past is None else 1
    if past is not None:
        energy = torch.cat((past.energy, energy), dim=-1)
        value = torch.cat((past.mean, value), dim=2)
    # (L, L + 1) with a past, whose column is never in the future
    mask = torch.ones(length, length + earlier, dtype=torch.bool, device=energy.device)
    mask = mask.triu(1 + earlier)
    if blocked is not None:
        # (B, L) -> (B, 1, 1, L + 1)
        mask = mask | F.pad(blocked, (earlier, 0))[:, None, None]
    # (B, H, 1, L + 1) -> (B, H, L, L + 1)
    energies = energy.unsqueeze(2).expand(-1, -1, length, -1)
    # (B, H, L, L + 1) @ (B, H, L + 1, D) = (B, H, L, D)
    output = masked_softmax(energies, mask).to(value.dtype) @ value
    return output, CumulativeMean(energy.logsumexp(-1, keepdim=True), output[:, :, -1:])


def cumulative_sum(x: Tensor) -> Tensor:
    """Return y_i = sum over j <= i of x_j, within blocks and then over the blocks.

    No x_j enters an earlier y_i, even if it is infinite or NaN.

    Shape:
        - x, output: (L, ...)
    """
    length = x.size(0)
    if length <= _SUM_BLOCK:
        return x.cumsum(0)
    blocks = -(-length // _SUM_BLOCK)
    if length % _SUM_BLOCK:
        x = torch.cat((x, x.new_zeros(blocks * _SUM_BLOCK - length, *x.shape[1:])))
    # (L, ...) -> (blocks, rows, ...)
    within = x.reshape(blocks, _SUM_BLOCK, *x.shape[1:]).cumsum(1)
    before = torch.cat((torch.zeros_like(within[:1, -1]), within[:-1, -1].cumsum(0)))
    # In place: the gradient of a cumulative sum does not need its result.
    return within.add_(before.unsqueeze(1)).flatten(0, 1)[:length]
