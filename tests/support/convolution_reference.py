"""Slow loops for the convolutions and for context broadcasting, index by index.

As in ``reference.py`` nothing here uses the package; ``p`` holds parameters by their names.
"""

from __future__ import annotations

import torch
from torch import Tensor


def readable(length: int, q: int, *, causal: bool, padding: Tensor | None, b: int) -> list[int]:
    """Return the tokens of sentence b that position q may read."""
    tokens = range(q + 1 if causal else length)
    return [k for k in tokens if padding is None or not padding[b, k]]


def deformable(
    p: dict[str, Tensor],
    x: Tensor,
    *,
    offset_lr_scale: float,
    causal: bool = False,
    padding: Tensor | None = None,
) -> Tensor:
    """Equation 4 over every query, tap and key; x: (L, B, C)."""
    (length, batch, _), taps = x.shape, p["weight"].size(-1)
    rows = []
    for q in range(length):
        row = []
        for b in range(batch):
            y = p["bias"]
            for m in range(taps):
                center = m - (taps - 1) if causal else m - (taps - 1) / 2
                offset = offset_lr_scale * (p["offset_proj.weight"][m] * x[q, b]).sum()
                position = q + center + offset
                for k in readable(length, q, causal=causal, padding=padding, b=b):
                    share = torch.clamp(1 - (k - position).abs(), min=0)
                    y = y + share * (p["weight"][:, :, m] @ x[k, b])
            row.append(y)
        rows.append(torch.stack(row))
    return torch.stack(rows)


def headwise(
    p: dict[str, Tensor],
    x: Tensor,
    *,
    heads: int,
    taps: int,
    causal: bool = False,
    padding: Tensor | None = None,
) -> Tensor:
    """Dynamic convolution (Equations 5 to 7), or lightweight if ``p`` has a "weight"."""
    length, batch, width = x.shape
    z = x @ p["in_proj.weight"].T + p["in_proj.bias"]
    if z.size(-1) == 2 * width:
        z = z[..., :width] * (1 / (1 + (-z[..., width:]).exp()))
    back = taps - 1 if causal else (taps - 1) // 2
    rows = []
    for q in range(length):
        row = []
        for b in range(batch):
            if "weight" in p:
                energies = p["weight"]
            else:
                energies = (p["kernel_proj.weight"] @ z[q, b]).view(heads, taps)
            kernel = energies.exp() / energies.exp().sum(1, keepdim=True)
            mixed = x.new_zeros(heads, width // heads)
            allowed = readable(length, q, causal=causal, padding=padding, b=b)
            for m in range(taps):
                if (k := q + m - back) in allowed:
                    mixed = mixed + kernel[:, m, None] * z[k, b].view(heads, -1)
            row.append(p["out_proj.weight"] @ mixed.flatten() + p["out_proj.bias"])
        rows.append(torch.stack(row))
    return torch.stack(rows)


def context_broadcast(
    p: dict[str, Tensor], x: Tensor, *, causal: bool = False, padding: Tensor | None = None
) -> Tensor:
    """(x + mean) / 2, or x + scale * mean if ``p`` has a "scale"."""
    length, batch, width = x.shape
    rows = []
    for q in range(length):
        row = []
        for b in range(batch):
            allowed = readable(length, q, causal=causal, padding=padding, b=b)
            mean = sum((x[k, b] for k in allowed), x.new_zeros(width)) / max(1, len(allowed))
            row.append(x[q, b] + p["scale"] * mean if "scale" in p else (x[q, b] + mean) / 2)
        rows.append(torch.stack(row))
    return torch.stack(rows)
