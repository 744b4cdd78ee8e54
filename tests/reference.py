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
    """Equations 1, 2 and 8, key by key; returns output (Lq, B, C) and weights (B, H, Lq, Lk).

    ``p`` holds the parameters by their names in RelativeMultiheadAttention.
    """
    (query_length, batch, width), key_length = query.shape, len(key)
    per_head = width // heads
    weights = query.new_zeros(batch, heads, query_length, key_length)
    rows = []
    for q in range(query_length):
        i = query_offset + q
        for b in range(batch):
            mixed = []
            for h in range(heads):
                part = slice(h * per_head, (h + 1) * per_head)
                allowed = [
                    j
                    for j in range(key_length)
                    if is_allowed(i, j, causal=causal, span=span)
                    and not (padding is not None and padding[b, j])
                ]
                context = query.new_zeros(per_head)
                if allowed:
                    scores = []
                    for j in allowed:
                        score = query.new_zeros(())
                        encoding = query.new_tensor(sinusoid(j - i, width))
                        if terms[0] == "1":
                            z, x = p["q_proj.weight"] @ query[q, b], p["k_proj.weight"] @ key[j, b]
                            score = score + z[part] @ x[part]
                        if terms[1] == "1":
                            z, r = p["q_proj.weight"] @ query[q, b], p["r_proj.weight"] @ encoding
                            score = score + z[part] @ r[part]
                        if terms[2] == "1":
                            score = score + p["u"][h] @ (p["k_proj.weight"] @ key[j, b])[part]
                        if terms[3] == "1":
                            score = score + p["v"][h] @ (p["r_proj.weight"] @ encoding)[part]
                        scores.append(score / math.sqrt(per_head))
                    total = torch.stack(scores)
                    shares = (total - total.max()).exp()
                    shares = shares / shares.sum()
                    for j, share in zip(allowed, shares, strict=True):
                        weights[b, h, q, j] = share.detach()
                        x = p["v_proj.weight"] @ value[j, b] + p["v_proj.bias"]
                        context = context + share * x[part]
                mixed.append(context)
            rows.append(p["out_proj.weight"] @ torch.cat(mixed) + p["out_proj.bias"])
    return torch.stack(rows).view(query_length, batch, width), weights
