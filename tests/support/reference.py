"""Slow loops that say what the fast code must compute; each is the specification of one module.

Nothing here uses the package: positions, masks and sums are written out index by index.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sinusoid(distance: int, width: int) -> list[float]:
    """R_d of Transformer-XL: sines of falling frequency, then as many cosines, ``width`` in all."""
    frequencies = [10000.0 ** (-channel / width) for channel in range(0, width, 2)]
    sines = [math.sin(distance * frequency) for frequency in frequencies]
    cosines = [math.cos(distance * frequency) for frequency in frequencies]
    return (sines + cosines)[:width]


def is_allowed(i: int, j: int, *, causal: bool, span: int | None) -> bool:
    """Whether a query at position i may see a key at position j."""
    if causal and j > i:
        return False
    if span is None:
        return True
    return -span < j - i if causal else abs(j - i) <= (span - 1) / 2


def softmax(scores: dict[int, Tensor]) -> dict[int, Tensor]:
    """Share of each key by its energies (H); nothing for no keys."""
    if not scores:
        return {}
    highest = torch.stack(list(scores.values())).max(0).values
    shares = {j: (score - highest).exp() for j, score in scores.items()}
    total = torch.stack(list(shares.values())).sum(0)
    return {j: share / total for j, share in shares.items()}


def attention(
    p: dict[str, Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    heads: int,
    terms: str,
    causal: bool = False,
    span: int | None = None,
    padding: Tensor | None = None,
    query_offset: int = 0,
) -> tuple[Tensor, Tensor]:
    """Equations 1, 2 and 8, pair by pair; returns output (Lq, B, C) and weights (B, H, Lq, Lk).

    ``p`` holds the parameters by their names in RelativeMultiheadAttention.
    """
    (query_length, batch, width), key_length = query.shape, len(key)
    per_head = width // heads
    weights = query.new_zeros(batch, heads, query_length, key_length)

    def projected(name: str, x: Tensor) -> Tensor:
        """(..., C) -> (..., H, D)."""
        return (x @ p[name].T).view(*x.shape[:-1], heads, per_head)

    def energy(q: int, j: int) -> Tensor:
        """Energy of every sentence and head, (B, H)."""
        total = query.new_zeros(batch, heads)
        encoding = query.new_tensor(sinusoid(j - query_offset - q, width))
        if terms[0] == "1":
            z, x = projected("q_proj.weight", query[q]), projected("k_proj.weight", key[j])
            total = total + (z * x).sum(-1)
        if terms[1] == "1":
            z, r = projected("q_proj.weight", query[q]), projected("r_proj.weight", encoding)
            total = total + (z * r).sum(-1)
        if terms[2] == "1":
            total = total + (p["u"] * projected("k_proj.weight", key[j])).sum(-1)
        if terms[3] == "1":
            total = total + (p["v"] * projected("r_proj.weight", encoding)).sum(-1)
        return total / math.sqrt(per_head)

    values = [projected("v_proj.weight", x) + p["v_proj.bias"].view(heads, -1) for x in value]
    rows = []
    for q in range(query_length):
        in_reach = [
            j
            for j in range(key_length)
            if is_allowed(query_offset + q, j, causal=causal, span=span)
        ]
        energies = {j: energy(q, j) for j in in_reach}
        contexts = []
        for b in range(batch):
            allowed = [j for j in in_reach if padding is None or not padding[b, j]]
            context = query.new_zeros(heads, per_head)
            for j, share in softmax({j: energies[j][b] for j in allowed}).items():
                weights[b, :, q, j] = share.detach()
                context = context + share.unsqueeze(-1) * values[j][b]
            contexts.append(p["out_proj.weight"] @ context.flatten() + p["out_proj.bias"])
        rows.append(torch.stack(contexts))
    return torch.stack(rows), weights
