"""From energies to what the values come to: the last steps, each the fastest that is exact."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from attn_nmt.functional.masking import masked_softmax

# On a CPU fused attention is slower than its products for shorter sequences.
_FUSED_KEYS = 128


def attend_by_bias(
    energy: Tensor, value: Tensor, blocked: Tensor | None, *, query_length: int, dropout: float
) -> Tensor:
    """Mix the values by energies that are known in full.

    Energies without a batch axis of their own, as those of ``position_only`` are, give one table
    of weights and one product for the whole batch, if no padding asks for more.

    Shape:
        - energy: broadcastable to (B, H, Lq, Lk), with all of Lk
        - value: (B, H, Lk, D); blocked: broadcastable to (B, H, Lq, Lk), True = blocked
        - output: (B, H, Lq, D), or (B, H, 1, D) where all queries get the same
    """
    weights = masked_softmax(energy, blocked)
    if dropout:
        # Shared weights must not mean shared dropout.
        batch, heads, key_length, _ = value.shape
        weights = F.dropout(weights.expand(batch, heads, query_length, key_length), dropout)
    if len(weights) == 1 < len(value):
        # (H, Lq, Lk) @ (H, Lk, B * D) = (H, Lq, B * D)
        mixed = weights[0] @ value.permute(1, 2, 0, 3).flatten(2)
        # (H, Lq, B, D) -> (B, H, Lq, D)
        return mixed.view(*mixed.shape[:2], len(value), -1).permute(2, 0, 1, 3)
    # (B, H, Lq, Lk) @ (B, H, Lk, D) = (B, H, Lq, D)
    return weights @ value


def attend_by_product(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    blocked: Tensor | None,
    dropout: float,
) -> Tensor:
    """Mix the values by softmax(query . key + bias), by PyTorch's fused attention where it pays.

    Shape:
        - query: (B, H, Lq, D), scaled; key, value: (B, H, Lk, D)
        - bias: broadcastable to (B, H, Lq, Lk); blocked: the same, True = blocked
        - output: (B, H, Lq, D), zero where a query has no allowed key
    """
    if _products_pay(query, key, bias):
        # (B, H, Lq, D) @ (B, H, D, Lk) = (B, H, Lq, Lk)
        energy = query @ key.transpose(-1, -2)
        if bias is not None:
            energy += bias
        return attend_by_bias(energy, value, blocked, query_length=query.size(2), dropout=dropout)
    mask = bias
    if blocked is not None:
        # The lowest finite number rather than -inf: a row of -inf alone would give NaN.
        start = query.new_zeros(()) if bias is None else bias
        mask = torch.where(blocked, torch.finfo(query.dtype).min, start)
    if mask is not None:
        mask = mask.expand(len(query), query.size(1), -1, -1)
    mixed = F.scaled_dot_product_attention(query, key, value, mask, dropout, scale=1.0)
    if blocked is None:
        return mixed
    return mixed.masked_fill(blocked.all(-1, keepdim=True), 0.0)


def _products_pay(query: Tensor, key: Tensor, bias: Tensor | None) -> bool:
    """Whether products beat fused attention: on a CPU, for few keys.

    And where the bias wants a gradient, which the fused form does not have there: it would do the
    same products with copies of both sides.
    """
    if query.device.type != "cpu" or query.dtype not in (torch.float32, torch.float64):
        return False
    learns_bias = bias is not None and bias.requires_grad and torch.is_grad_enabled()
    return learns_bias or key.size(2) < _FUSED_KEYS
