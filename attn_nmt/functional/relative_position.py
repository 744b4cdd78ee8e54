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

    Row i of the result is ``by_distance[..., i, Lq - 1 - i : Lq - 1 - i + Lk]``. Read row by row,
    the wanted entries of row i + 1 begin exactly N - 1 after those of row i, so the shift is a
    view: nothing is copied, for any Lq and Lk.

    Shape:
        - by_distance: (..., Lq, Lq + Lk - 1)
        - output: (..., Lq, Lk)
    """
    query_length, distances = by_distance.shape[-2:]
    if query_length == 1:
        return by_distance[..., :key_length]
    stride = distances - 1
    flat = by_distance.flatten(-2)[..., query_length - 1 : query_length - 1 + query_length * stride]
    return flat.view(*flat.shape[:-1], query_length, stride)[..., :key_length]
