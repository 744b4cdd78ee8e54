"""Sinusoids of signed distances, and the shift that lines them up with queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor

_LONGEST_WAVE = 10000.0


def relative_encoding(distances: Tensor, embed_dim: int, dtype: torch.dtype) -> Tensor:
    """Return R_d, the sines and then the cosines of each distance (Transformer-XL, Section 3.3).

    The sines are odd in d, so that a key to the left and one to the right differ. Angles are taken
    in float32 at least: half precision cannot tell distances above 2048 apart.

    Shape:
        - distances: (N), signed, in tokens
        - output: (N, embed_dim) in ``dtype``
    """
    precise = torch.promote_types(dtype, torch.float32)
    even = torch.arange(0, embed_dim, 2, device=distances.device, dtype=precise)
    # (N, 1) * (ceil(C / 2)) = (N, ceil(C / 2))
    angles = distances.to(precise).unsqueeze(-1) * _LONGEST_WAVE ** (-even / embed_dim)
    waves = torch.cat((angles.sin(), angles.cos()), dim=-1)
    return waves[:, :embed_dim].to(dtype)


def relative_shift(by_distance: Tensor, key_length: int) -> Tensor:
    """Line up columns that stand for ascending distances with the keys they point at.

    Query i of the result is ``by_distance[:, i, :, Lq - 1 - i : Lq - 1 - i + Lk]``: each query
    begins one column before the one above it. So the shift is a view, one element shorter from
    query to query; nothing is copied, for any Lq and Lk.

    Shape:
        - by_distance: (H, Lq, B, Lq + Lk - 1), or (H, Lq, B, Lk) of queries at one position
        - output: (B, H, Lq, Lk)
    """
    heads, query_length, batch, distances = by_distance.shape
    if distances == key_length:
        return by_distance.permute(2, 0, 1, 3)
    per_head, per_query, per_sentence, per_distance = by_distance.stride()
    return by_distance.as_strided(
        (batch, heads, query_length, key_length),
        (per_sentence, per_head, per_query - per_distance, per_distance),
        _start(by_distance) + (query_length - 1) * per_distance,
    )


def _start(x: Tensor) -> int | torch.SymInt:
    # A compiler cannot be asked; what it shifts is a result of its own, which begins at the start.
    return 0 if torch.compiler.is_compiling() else x.storage_offset()
