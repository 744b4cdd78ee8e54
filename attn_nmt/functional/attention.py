"""Softmax attention on projected queries, keys and values: tensors in, tensors out.

From top to bottom: the operands of an attention, the ways over them (all weights, dense, within a
span), the kernels that these end in, and the masks. In every mask True means blocked; a query with
no allowed key gets zeros, never NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from attn_nmt.functional.energies import EnergyInputs, EnergySum, sum_energies
from attn_nmt.functional.windows import Windows, block_length
from attn_nmt.terms import AttentionTerms

# Elements of half precision in 16 bytes.
_ALIGNMENT = 8

Kernel = Callable[..., Tensor]
"""``matmul_attention`` or ``fused_attention``."""


class AttentionOperands(NamedTuple):
    """What is attended from and to, and what the energies are made of.

    Shape:
        - query: (B, H, Lq, D), scaled by D^-0.5; None where no enabled term uses it
        - key: (B, H, Lk, D), None where no enabled term uses it; value: (B, H, Lk, D)
        - padding: (B, Lk), True = padding; None = no padding
        - u, v: (H, D), scaled by D^-0.5, None without their terms
        - position_table: (H, 2 n + 1, D), r_proj R_d of the distances -n to n, if it is kept
    """

    terms: AttentionTerms
    query: Tensor | None
    key: Tensor | None
    value: Tensor
    padding: Tensor | None
    u: Tensor | None
    v: Tensor | None
    project_distances: Callable[[int, int], Tensor]
    """From the first distance d and their number N to r_proj R_d of d, d + 1, ...: (H, N, D)."""
    positions: int
    """Positions of the queries: Lq, or 1 if all queries are at the same one."""
    query_offset: int = 0
    """Position of query 0; key 0 is at position 0."""
    backward: int | None = None
    """How many tokens a query sees to its left; None sets no limit."""
    forward: int | None = None
    """How many tokens a query sees to its right, 0 if causal; None sets no limit."""
    dropout: float = 0.0
    """Probability of dropping a weight; 0 in evaluation."""
    position_table: Tensor | None = None

    @property
    def key_length(self) -> int:
        """Number of keys, Lk."""
        return self.value.size(2)

    def energy_inputs(self) -> EnergyInputs:
        """Return what the terms read."""
        position: Any = None
        if self.terms.uses_position:
            first = -(self.query_offset + self.positions - 1)
            count = self.positions + self.key_length - 1
            if self.position_table is None:
                position = self.project_distances(first, count)
            else:
                start = first + self.position_table.size(1) // 2
                position = self.position_table[:, start : start + count]
        # What is absent here is None, and no enabled term reads it.
        present: Any = self
        return EnergyInputs(
            present.query, present.key, position, present.u, present.v, self.key_length
        )

    def sum_energies(self, *, with_product: bool, dtype: torch.dtype | None = None) -> EnergySum:
        """Sum the enabled terms; see :func:`attn_nmt.functional.energies.sum_energies`."""
        inputs = self.energy_inputs()
        return sum_energies(inputs, self.terms, with_product=with_product, dtype=dtype)

    def sum_as_bias(self, dtype: torch.dtype | None = None) -> tuple[Tensor, tuple[str, ...]]:
        """Return all energies, broadcastable to (B, H, Lq, Lk), and the terms that they are of."""
        _, bias, terms = self.sum_energies(with_product=False, dtype=dtype)
        if bias is None:
            bias = self.value.new_zeros(1, 1, 1, self.key_length, dtype=dtype)
        return bias, terms

    def blocked(self) -> Tensor | None:
        """Join window and padding; broadcastable to (B, H, Lq, Lk), None blocks nothing."""
        window = distance_mask(
            self.positions,
            self.key_length,
            query_offset=self.query_offset,
            backward=self.backward,
            forward=self.forward,
            device=self.value.device,
        )
        # (B, Lk) -> (B, 1, 1, Lk)
        padding = None if self.padding is None else self.padding.to(torch.bool)[:, None, None]
        return combine_masks(window, padding)


def explicit_attention(
    x: AttentionOperands, attn_mask: Tensor | None, query_length: int
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Compute every energy of every pair, in float32 at least, and every weight.

    Shape:
        - attn_mask: (Lq, Lk) or (B * H, Lq, Lk); bool, True = blocked, or float, added
        - first output: (B, H, Lq, D); second, the weights before dropout: (B, H, Lq, Lk)

    Returns:
        Output, weights, and the terms that entered.
    """
    batch, heads, key_length, _ = x.value.shape
    energy, terms = x.sum_as_bias(torch.promote_types(x.value.dtype, torch.float32))
    energy, blocked = energy.expand(batch, heads, query_length, key_length), x.blocked()
    if attn_mask is not None:
        if attn_mask.dim() == 3:
            attn_mask = attn_mask.view(batch, heads, *attn_mask.shape[1:])
        if attn_mask.dtype != torch.bool:
            # -inf blocks: added, it would give NaN where it fills a row.
            energy = energy + attn_mask.masked_fill(attn_mask == -torch.inf, 0.0)
            attn_mask = attn_mask == -torch.inf
        blocked = combine_masks(blocked, attn_mask)
    weights = masked_softmax(energy, blocked).to(x.value.dtype)
    # (B, H, Lq, Lk) @ (B, H, Lk, D) = (B, H, Lq, D)
    return F.dropout(weights, x.dropout) @ x.value, weights, terms


def dense_attention(x: AttentionOperands, kernel: Kernel | None) -> tuple[Tensor, tuple[str, ...]]:
    """Attend from all queries to all keys, without returning the weights.

    Args:
        x: what is attended from and to.
        kernel: what multiplies queries and keys; None if no enabled term does.

    Returns:
        Output, (B, H, Lq, D) or (B, H, 1, D) where all queries get the same, and the terms that
        entered.
    """
    if kernel is None:
        energy, terms = x.sum_as_bias()
        output = attention_from_energies(
            energy, x.value, x.blocked(), query_length=x.positions, dropout=x.dropout
        )
        return output, terms
    query, bias, terms = x.sum_energies(with_product=True)
    return kernel(query, x.key, x.value, bias, x.blocked(), dropout=x.dropout), terms


def local_attention(x: AttentionOperands, kernel: Kernel | None) -> tuple[Tensor, tuple[str, ...]]:
    """Do the same within a span, limited on both sides: L n energies instead of L^2."""
    backward, forward = x.backward, x.forward
    assert backward is not None, "a span limits both sides"
    assert forward is not None, "a span limits both sides"
    start = max(0, x.query_offset - backward)
    end = min(x.key_length, x.query_offset + x.positions + forward)
    if start >= end:
        # There is no key in the window; a blocked one keeps the shapes.
        return dense_attention(_slice_keys(x, 0, 1), kernel)
    x = _slice_keys(x, start, end)
    block = block_length(backward, forward)
    if x.positions <= block:
        return dense_attention(x, kernel)
    # Keys before the first query, which a cache brings, fill part of the window's left side.
    offset = x.query_offset
    windows = Windows(block, -(-x.positions // block), backward - offset, forward + offset)
    padding = x.padding
    if padding is None:
        padding = x.value.new_zeros(len(x.value), x.key_length, dtype=torch.bool)
    blocks = x._replace(
        query=None if x.query is None else windows.cut_queries(x.query),
        key=None if x.key is None else windows.cut_keys(x.key),
        value=windows.cut_keys(x.value),
        padding=windows.cut_padding(padding.to(torch.bool)),
        positions=block,
        query_offset=backward,
        position_table=None,
    )
    output, terms = dense_attention(blocks, kernel)
    return windows.join_queries(output.expand(-1, -1, block, -1), x.positions), terms


def _slice_keys(x: AttentionOperands, start: int, end: int) -> AttentionOperands:
    """Keep the keys from index ``start`` up to, not including, ``end``."""
    return x._replace(
        key=None if x.key is None else x.key[:, :, start:end],
        value=x.value[:, :, start:end],
        padding=None if x.padding is None else x.padding[:, start:end],
        query_offset=x.query_offset - start,
    )


def attention_from_energies(
    energy: Tensor, value: Tensor, blocked: Tensor | None, *, query_length: int, dropout: float
) -> Tensor:
    """Return softmax(energy) . value for energies that are known in full.

    Energies without a batch axis of their own, as those of ``position_only``, give one table of
    weights and one product for the whole batch, unless padding makes the sentences differ.

    Shape:
        - energy: broadcastable to (B, H, Lq, Lk), with all of Lk
        - value: (B, H, Lk, D); blocked: broadcastable to (B, H, Lq, Lk), True = blocked
        - output: (B, H, Lq, D), or (B, H, 1, D) where all queries get the same
    """
    weights = masked_softmax(energy, blocked)
    if dropout:
        # Queries may share their weights, but not their dropout.
        batch, heads, key_length, _ = value.shape
        weights = F.dropout(weights.expand(batch, heads, query_length, key_length), dropout)
    if len(weights) == 1 < len(value):
        # (H, Lq, Lk) @ (H, Lk, B * D) = (H, Lq, B * D)
        output = weights[0] @ value.permute(1, 2, 0, 3).flatten(2)
        # (H, Lq, B, D) -> (B, H, Lq, D)
        return output.view(*output.shape[:2], len(value), -1).permute(2, 0, 1, 3)
    # (B, H, Lq, Lk) @ (B, H, Lk, D) = (B, H, Lq, D)
    return weights @ value


def matmul_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    blocked: Tensor | None,
    *,
    dropout: float,
) -> Tensor:
    """Return softmax(query . key + bias) . value by two matrix products.

    Shape:
        - query: (B, H, Lq, D), scaled; key, value: (B, H, Lk, D)
        - bias: broadcastable to (B, H, Lq, Lk); blocked: the same, True = blocked
        - output: (B, H, Lq, D), zero where a query has no allowed key
    """
    # (B, H, Lq, D) @ (B, H, D, Lk) = (B, H, Lq, Lk)
    energy = query @ key.transpose(-1, -2)
    if bias is not None:
        energy += bias
    return attention_from_energies(
        energy, value, blocked, query_length=query.size(2), dropout=dropout
    )


def fused_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    blocked: Tensor | None,
    *,
    dropout: float,
) -> Tensor:
    """Return the same as :func:`matmul_attention` by PyTorch's scaled_dot_product_attention."""
    mask = bias
    if blocked is not None:
        # The lowest finite number rather than -inf: a row of nothing but -inf would give NaN.
        unmasked = query.new_zeros(()) if bias is None else bias
        mask = torch.where(blocked, torch.finfo(query.dtype).min, unmasked)
    elif bias is not None and bias.device.type != "cpu":
        mask = align_rows(bias)
    if mask is not None:
        mask = mask.expand(len(query), query.size(1), -1, -1)
    output = F.scaled_dot_product_attention(query, key, value, mask, dropout, scale=1.0)
    if blocked is None:
        return output
    return output.masked_fill(blocked.all(-1, keepdim=True), 0.0)


def align_rows(bias: Tensor) -> Tensor:
    """Return a copy of a bias, each row of which begins at a multiple of 16 bytes in memory.

    The kernels of a GPU read 16 bytes at a time. PyTorch looks at the strides of a bias to see
    whether they can, but not at where it begins, and fails with "misaligned address" for a shifted
    view that begins elsewhere.

    Shape:
        - bias, output: (..., Lq, Lk)
    """
    length = bias.size(-1)
    return F.pad(bias, (0, -length % _ALIGNMENT))[..., :length]


def distance_mask(
    query_length: int,
    key_length: int,
    *,
    query_offset: int,
    backward: int | None,
    forward: int | None,
    device: torch.device,
) -> Tensor | None:
    """Block the keys at a distance d = j - i below ``-backward`` or above ``forward``, in tokens.

    None sets no limit on that side; ``forward=0`` is causal. The result is None where nothing is
    blocked, as in the usual decoding step of one token over its past.

    Args:
        query_length: number of queries Lq.
        key_length: number of keys Lk; key 0 is at position 0.
        query_offset: position of query 0.

    Shape:
        - output: (Lq, Lk), True = blocked
    """
    last_query = query_offset + query_length - 1
    too_far_back = backward is not None and last_query > backward
    too_far_ahead = forward is not None and key_length - 1 - query_offset > forward
    if not too_far_back and not too_far_ahead:
        return None
    keys = torch.arange(key_length, device=device)
    queries = torch.arange(query_offset, query_offset + query_length, device=device)
    # (1, Lk) - (Lq, 1) = (Lq, Lk)
    distance = keys.unsqueeze(0) - queries.unsqueeze(1)
    blocked = torch.zeros_like(distance, dtype=torch.bool)
    if backward is not None:
        blocked |= distance < -backward
    if forward is not None:
        blocked |= distance > forward
    return blocked


def combine_masks(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Block what either mask blocks; they broadcast, and None blocks nothing."""
    if first is None or second is None:
        return second if first is None else first
    return first | second


def masked_softmax(energy: Tensor, blocked: Tensor | None) -> Tensor:
    """Softmax over the allowed keys; a query with none gets zeros, and no NaN in its gradient.

    Half precision is summed in float32 and the result returned in the energy's own type.

    Shape:
        - energy: (..., Lq, Lk); blocked: broadcastable against it, True = blocked
        - output: what the two broadcast to
    """
    precise = energy.to(torch.promote_types(energy.dtype, torch.float32))
    if blocked is None:
        return precise.softmax(-1).to(energy.dtype)
    # The lowest finite number rather than -inf: a row of nothing but -inf would give NaN.
    weights = torch.where(blocked, torch.finfo(precise.dtype).min, precise).softmax(-1)
    return weights.masked_fill(blocked, 0.0).to(energy.dtype)
