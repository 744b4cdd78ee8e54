"""Attention: weights, the energies that make them, and what each term has to do with them.

For one query with n allowed keys let w be its weights, e_t the energy of term t, and c_t the same
less its mean over the allowed keys. Softmax does not see a number that is the same for all keys, so

    log w - mean(log w) = sum over t of c_t                                  key by key

and with u = 1 / n, the uniform weights,

    KL(w || u) + KL(u || w) = sum over t of (sum over keys of w c_t)         a number a query

The left side says how far the weights are from looking at no key in particular. The inner sum on
the right is the share of one term: how much higher its energy is where the weights are than
elsewhere. It is negative for a term that works against the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attn_nmt.functional.attention import masked_softmax
from attn_nmt.modules import RelativeMultiheadAttention
from attn_nmt.study.inspecting.panel import Array, Picture, Shares


@dataclass(frozen=True)
class AttentionView:
    """The attention of one sentence.

    Shape:
        - weights: (H, Lq, Lk); energies: the same each, as ``energies()`` of the module has them
        - blocked: (Lq, Lk), True = the query may not see the key
    """

    weights: Tensor
    energies: dict[str, Tensor]
    blocked: Tensor

    @classmethod
    @torch.no_grad()
    def of(
        cls, module: RelativeMultiheadAttention, query: Tensor, key: Tensor | None = None
    ) -> AttentionView:
        """Ask the module for its weights and energies; query: (Lq, 1, C), key: (Lk, 1, C)."""
        key = query if key is None else key
        _, weights = module(query, key, key, need_head_weights=True)
        # (H, 1, Lq, Lk) -> (H, Lq, Lk)
        weights = weights.squeeze(1)
        blocked = module.blocked_keys(len(query), len(key), device=query.device)
        if blocked is None:
            blocked = torch.zeros(weights.shape[1:], dtype=torch.bool)
        energies = module.energies(query, key)
        full = {name: energy[0].expand_as(weights) for name, energy in energies.items()}
        return cls(weights, full, blocked.cpu())

    def centred(self, term: str) -> Tensor:
        """Return c_t, (H, Lq, Lk), zero where blocked."""
        energy = self.energies[term].masked_fill(self.blocked, 0.0)
        allowed = (~self.blocked).sum(-1, keepdim=True).clamp(min=1)
        return (energy - energy.sum(-1, keepdim=True) / allowed).masked_fill(self.blocked, 0.0)

    def alone(self, term: str) -> Tensor:
        """Return the weights that one term would give without the others, (H, Lq, Lk)."""
        return masked_softmax(self.energies[term], self.blocked)

    def divergence(self, term: str) -> Tensor:
        """Return the share of a term in KL(w || u) + KL(u || w), in nats: (H, Lq)."""
        return (self.weights * self.centred(term)).sum(-1)

    def pictures(self, rows: Sequence[str], columns: Sequence[str]) -> list[Picture]:
        """Return the weights, and of each term its energies and the weights it gives alone."""
        drawn = [("weights", WEIGHTS, self.weights, "weight")]
        for term in self.energies:
            drawn.append((f"energy of {term}", ENERGY, self.centred(term), "energy"))
        # Of one term alone they are the weights.
        for term in self.energies if len(self.energies) > 1 else ():
            drawn.append((f"weights of {term} alone", ALONE, self.alone(term), "weight"))
        return [
            Picture(
                name,
                meaning,
                array(values),
                array(self.blocked),
                "may not be seen",
                rows,
                columns,
                kind,
                meaning is ALONE,
            )
            for name, meaning, values, kind in drawn
        ]

    def shares(self) -> Shares | None:
        """Return what each term has to do with the weights; None without terms."""
        if not self.energies:
            return None
        nats = torch.stack([self.divergence(term).mean(-1) for term in self.energies], dim=-1)
        return Shares(list(self.energies), array(nats))

    def arrays(self) -> dict[str, Array]:
        """Return everything by name."""
        found = {"weights": self.weights, "blocked": self.blocked}
        for term, energy in self.energies.items():
            found[f"energy.{term}"] = energy
            found[f"centred_energy.{term}"] = self.centred(term)
            found[f"alone.{term}"] = self.alone(term)
            found[f"divergence.{term}"] = self.divergence(term)
        return {name: array(values) for name, values in found.items()}


WEIGHTS = "The weight of each key (column) for each query (row); a row adds up to 1."
ENERGY = (
    "The term's energy in nats, less its mean over the keys that the query may see. The energies "
    "of all terms add up to the logarithm of the weight, less the mean logarithm of the row."
)
ALONE = "The weights that this term would give if it were the only one."


def array(values: Tensor) -> Array:
    """Return a tensor as an array of numpy."""
    found: Array = values.detach().cpu().numpy()
    return found
