"""The four energies of Equation 2, before scaling; each is the specification of one attention term.

``query``, ``key`` and ``position`` are the projections of z_q, x_k and R_d, split into heads;
``u`` and ``v`` are the learned vectors that take the query's place in the last two terms.
"""

from __future__ import annotations

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


def query_position_energy(query: Tensor, position: Tensor, key_length: int) -> Tensor:
    """E2 = (q_proj z_q) . (r_proj R_d), query content and relative position.

    Shape:
        - query: (B, H, Lq, D); position: (H, Lq + Lk - 1, D), distances ascending
        - output: (B, H, Lq, Lk)
    """
    # (B, H, Lq, D) @ (H, D, N) = (B, H, Lq, N)
    return relative_shift(query @ position.transpose(-1, -2), key_length)


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
    # (H, N, D) @ (H, D, 1) = (H, N, 1) -> (H, N)
    by_distance = (position @ v.unsqueeze(-1)).squeeze(-1)
    # Windows of Lk distances; the first belongs to the last query: (H, N) -> (H, Lq, Lk)
    return by_distance.unfold(-1, key_length, 1).flip(-2).unsqueeze(0)
