"""The four energies of Equation 2, before scaling; each is the specification of one attention term.

``query``, ``key`` and ``position`` are the projections of z_q, x_k and R_d, split into heads;
``u`` and ``v`` are the learned vectors that take the query's place in the last two terms.
"""

from __future__ import annotations

import torch
from torch import Tensor

from attn_nmt.functional.relative_position import relative_shift


def query_key_energy(query: Tensor, key: Tensor) -> Tensor:
    """E1 = (q_proj z_q) . (k_proj x_k), query and key content.

    Shape:
        - query: (B, H, Lq, D); key: (B, H, Lk, D)
        - output: (B, H, Lq, Lk)
    """
    # (B, H, Lq, D) @ (B, H, D, Lk) = (B, H, Lq, Lk)
    return query @ key.transpose(-1, -2)


def query_position_energy(
    query: Tensor, position: Tensor, key_length: int, *, more: Tensor | None = None
) -> Tensor:
    """E2 = (q_proj z_q) . (r_proj R_d), query content and relative position.

    Shape:
        - query: (B, H, Lq, D); position: (H, Lq + Lk - 1, D), distances ascending
        - more: (H, Lq + Lk - 1), an energy to add to every query's, by distance
        - output: (B, H, Lq, Lk)
    """
    batch, heads, length, width = query.shape
    # (B, H, Lq, D) -> (H, Lq * B, D), a view of what was projected time first
    rows = query.permute(1, 2, 0, 3).reshape(heads, length * batch, width)
    # (H, Lq * B, D) @ (H, D, N) = (H, Lq * B, N)
    if more is None:
        by_distance = rows @ position.transpose(-1, -2)
    else:
        by_distance = torch.baddbmm(more.unsqueeze(1), rows, position.transpose(-1, -2))
    return relative_shift(by_distance.view(heads, length, batch, -1), key_length)


def key_only_energy(u: Tensor, key: Tensor) -> Tensor:
    """E3 = u . (k_proj x_k), key content only.

    Shape:
        - u: (H, D); key: (B, H, Lk, D)
        - output: (B, H, 1, Lk)
    """
    # (H, 1, D) @ (B, H, D, Lk) = (B, H, 1, Lk)
    return u.unsqueeze(-2) @ key.transpose(-1, -2)


def position_only_energy(v: Tensor, position: Tensor, key_length: int) -> Tensor:
    """E4 = v . (r_proj R_d), relative position only; one table for all sentences.

    Shape:
        - v: (H, D); position: (H, Lq + Lk - 1, D), distances ascending
        - output: (1, H, Lq, Lk)
    """
    by_distance = energy_by_distance(v, position)
    # Windows of Lk distances; the first belongs to the last query: (H, N) -> (H, Lq, Lk)
    if not torch.compiler.is_compiling():
        return by_distance.unfold(-1, key_length, 1).flip(-2).unsqueeze(0)
    # The same by number: that view would be compiled anew for every length.
    count = position.size(1)
    first = torch.arange(count - key_length, -1, -1, device=position.device)
    column = first.unsqueeze(-1) + torch.arange(key_length, device=position.device)
    return by_distance[:, column].unsqueeze(0)


def energy_by_distance(v: Tensor, position: Tensor) -> Tensor:
    """Return E4 before it is laid out for queries and keys: (H, D), (H, N, D) -> (H, N)."""
    # (H, N, D) @ (H, D, 1) = (H, N, 1) -> (H, N)
    return (position @ v.unsqueeze(-1)).squeeze(-1)
