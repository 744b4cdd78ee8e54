"""The four energies of Equation 2, and the one place where the enabled ones are summed.

Each term is one function of :class:`EnergyInputs` in ``ENERGIES``; it is the specification of that
term. :func:`sum_energies` adds them up for every backend, and joins terms that multiply with the
same factor into one product: (q + u) . k and (q + v) . r.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from attn_nmt.functional.relative_position import relative_shift
from attn_nmt.terms import AttentionTerms


class EnergyInputs(NamedTuple):
    """What the terms multiply, split into heads; a field is None where no enabled term reads it.

    query, u and v carry the factor D^-0.5; a term that multiplies none of them applies it itself.

    Shape:
        - query: (B, H, Lq, D), of q_proj z_q
        - key: (B, H, Lk, D), of k_proj x_k
        - position: (H, Lq + Lk - 1, D), of r_proj R_d for all distances, ascending; (H, Lk, D) if
          all queries are at one position
        - u, v: (H, D), learned; they take the place of the query
    """

    query: Tensor
    key: Tensor
    position: Tensor
    u: Tensor
    v: Tensor
    key_length: int
    """Number of keys Lk, which the terms of position alone need too."""


def query_key_energy(x: EnergyInputs) -> Tensor:
    """E1 = (q_proj z_q) . (k_proj x_k), query and key content: (B, H, Lq, Lk)."""
    # (B, H, Lq, D) @ (B, H, D, Lk) = (B, H, Lq, Lk)
    return x.query @ x.key.transpose(-1, -2)


def query_position_energy(x: EnergyInputs) -> Tensor:
    """E2 = (q_proj z_q) . (r_proj R_d), query content and relative position: (B, H, Lq, Lk)."""
    # (H, Lq * B, D) @ (H, D, N) = (H, Lq * B, N)
    by_distance = _query_rows(x.query) @ x.position.transpose(-1, -2)
    return _by_key(by_distance, x)


def key_only_energy(x: EnergyInputs) -> Tensor:
    """E3 = u . (k_proj x_k), key content only: (B, H, 1, Lk)."""
    # (H, 1, D) @ (B, H, D, Lk) = (B, H, 1, Lk)
    return x.u.unsqueeze(-2) @ x.key.transpose(-1, -2)


def position_only_energy(x: EnergyInputs) -> Tensor:
    """E4 = v . (r_proj R_d), relative position only: (1, H, Lq, Lk), one table for all rows."""
    by_distance = _position_only_by_distance(x)
    # Windows of Lk distances, of which the first belongs to the last query
    if not torch.compiler.is_compiling():
        # (H, N) -> (H, Lq, Lk)
        return by_distance.unfold(-1, x.key_length, 1).flip(-2).unsqueeze(0)
    # The same by indices: the view above would be compiled anew for every length.
    device = x.position.device
    first = torch.arange(x.position.size(1) - x.key_length, -1, -1, device=device)
    column = first.unsqueeze(-1) + torch.arange(x.key_length, device=device)
    return by_distance[:, column].unsqueeze(0)


ENERGIES: dict[str, Callable[[EnergyInputs], Tensor]] = {
    "query_key": query_key_energy,
    "query_position": query_position_energy,
    "key_only": key_only_energy,
    "position_only": position_only_energy,
}
"""The specification of each term, by its name in :class:`attn_nmt.terms.AttentionTerms`."""


class EnergySum(NamedTuple):
    """The energy of every pair as ``query . key + bias``.

    Shape:
        - query: (B, H, Lq, D), to be multiplied with the keys; None = no product
        - bias: broadcastable to (B, H, Lq, Lk); None = zero
    """

    query: Tensor | None
    bias: Tensor | None
    terms: tuple[str, ...]
    """The terms that entered, each once."""


def sum_energies(
    x: EnergyInputs,
    terms: AttentionTerms,
    *,
    with_product: bool,
    dtype: torch.dtype | None = None,
) -> EnergySum:
    """Sum the enabled terms, each of which enters either the product or the bias.

    Args:
        x: what the terms read.
        terms: which are enabled.
        with_product: leave query . key to the caller, whose attention multiplies them itself;
            otherwise every term is in the bias.
        dtype: type in which the terms are added up; None for their own.
    """
    pending = list(terms.enabled)
    summands: dict[tuple[str, ...], Tensor] = {}
    if terms.query_position and terms.position_only:
        summands["query_position", "position_only"] = _joint_position_energy(x)
        pending.remove("query_position")
        pending.remove("position_only")
    query: Tensor | None = None
    multiplied: tuple[str, ...] = ()
    if with_product and terms.query_key:
        query, multiplied = x.query, ("query_key",)
        pending.remove("query_key")
        if terms.key_only and not _is_cheaper_as_bias(x, len(summands) + len(pending) > 1):
            # (q + u) . k
            query, multiplied = x.query + x.u.unsqueeze(1), ("query_key", "key_only")
            pending.remove("key_only")
    summands |= {(name,): ENERGIES[name](x) for name in pending}
    added = (energy.to(dtype or energy.dtype) for energy in summands.values())
    bias = reduce(torch.add, added) if summands else None
    return EnergySum(query, bias, (*multiplied, *itertools.chain(*summands)))


def _is_cheaper_as_bias(x: EnergyInputs, has_bias: bool) -> bool:
    """Whether to add the energies of key_only to a bias that exists, rather than u to the query.

    A row of energies is shorter than a query, and the query is kept for the bias anyway. Compiled,
    either is a single pass, and a rule about lengths would only cause recompilation.
    """
    return has_bias and not torch.compiler.is_compiling() and x.key_length <= x.key.size(-1)


def _joint_position_energy(x: EnergyInputs) -> Tensor:
    """E2 + E4 = (q + v) . r, both position terms in one product: (B, H, Lq, Lk)."""
    # (H, 1, N) + (H, Lq * B, D) @ (H, D, N) = (H, Lq * B, N)
    by_distance = torch.baddbmm(
        _position_only_by_distance(x).unsqueeze(1),
        _query_rows(x.query),
        x.position.transpose(-1, -2),
    )
    return _by_key(by_distance, x)


def _position_only_by_distance(x: EnergyInputs) -> Tensor:
    # (H, N, D) @ (H, D, 1) = (H, N, 1) -> (H, N)
    return (x.position @ x.v.unsqueeze(-1)).squeeze(-1)


def _query_rows(query: Tensor) -> Tensor:
    """(B, H, Lq, D) -> (H, Lq * B, D), a view of what was projected time first."""
    batch, heads, length, width = query.shape
    return query.permute(1, 2, 0, 3).reshape(heads, length * batch, width)


def _by_key(by_distance: Tensor, x: EnergyInputs) -> Tensor:
    """Energies by distance, (H, Lq * B, N), to energies by key, (B, H, Lq, Lk)."""
    batch, heads, length, _ = x.query.shape
    return relative_shift(by_distance.view(heads, length, batch, -1), x.key_length)
