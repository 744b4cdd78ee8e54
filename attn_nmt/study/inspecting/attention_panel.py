"""Attention: weights, the energies that make them, and what each term contributes to them.

For one query with n allowed keys let w be its weights, e_t the energy of term t, and c_t the same
minus its mean over the allowed keys. Adding the same number to all keys does not change a softmax:

    log w - mean(log w) = sum over t of c_t                                  one number per key

and with u = 1 / n, the uniform weights,

    KL(w || u) + KL(u || w) = sum over t of (sum over keys of w c_t)         one number per query

The left side measures how far the weights are from uniform. The inner sum on the right is the
share of one term: how much higher its energy is where the weights are than elsewhere. It is
negative for a term that works against the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from attn_nmt.functional.attention import distance_mask, masked_softmax
from attn_nmt.modules import RelativeMultiheadAttention
from attn_nmt.study.inspecting.panel_data import Array, Panel, Picture, TermShares, array

_WEIGHTS = "The weight of each key (column) for each query (row); a row adds up to 1."
_ENERGY = (
    "The term's energy in nats, minus its mean over the keys that the query may see. The energies "
    "of all terms add up to the logarithm of the weight, minus the mean logarithm of the row."
)
_ALONE = "The weights that this term would give if it were the only one."


def attention_panel(
    panel: Panel,
    module: RelativeMultiheadAttention,
    inputs: Mapping[str, Tensor],
    rows: Sequence[str],
    columns: Sequence[str],
) -> Panel:
    """Complete the panel of an attention; rows name the queries, columns the keys."""
    view = AttentionView.of(module, inputs["query"], inputs.get("key"))
    mechanism = f"attention, terms {module.terms}"
    if module.span is not None:
        mechanism += f", span {module.span}"
    return replace(
        panel,
        mechanism=mechanism,
        notes=_notes(module),
        pictures=view.pictures(rows, columns, _axes(panel)),
        shares=view.shares(),
        arrays=view.arrays(),
    )


def _axes(panel: Panel) -> tuple[str, str]:
    """Return what rows and columns are."""
    if panel.path.endswith("encoder_attn"):
        return "target token to be predicted (query)", "source token (key)"
    token = "source token" if panel.path.startswith("encoder") else "target token read"
    return f"{token} (query)", f"{token} (key)"


def _notes(module: RelativeMultiheadAttention) -> list[str]:
    if str(module.terms) == "0000":
        return [
            "No term is switched on: all keys that may be seen have the same weight, and there are "
            "no energies to show."
        ]
    if not module.terms.uses_query and not module.terms.uses_position:
        return ["The term does not depend on the query: rows that may see the same keys are equal."]
    if not module.terms.uses_query and not module.terms.uses_key:
        return ["The term depends on the distance alone: it is the same for all sentences."]
    return []


@dataclass(frozen=True)
class AttentionView:
    """The attention of one sentence.

    Shape:
        - weights: (H, Lq, Lk); energies: each the same, as the module's ``energies()`` has them
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
        blocked = distance_mask(
            len(query),
            len(key),
            query_offset=0,
            backward=module.left_window,
            forward=module.right_window,
            device=query.device,
        )
        if blocked is None:
            blocked = torch.zeros(weights.shape[1:], dtype=torch.bool)
        energies = module.energies(query, key)
        expanded = {name: energy[0].expand_as(weights) for name, energy in energies.items()}
        return cls(weights, expanded, blocked.cpu())

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

    def pictures(
        self, rows: Sequence[str], columns: Sequence[str], axes: tuple[str, str]
    ) -> list[Picture]:
        """Return the weights, and of each term its energies and the weights it gives alone.

        ``axes`` says what rows and columns are.
        """

        def picture(name: str, meaning: str, values: Tensor, kind: str) -> Picture:
            return Picture(
                name,
                meaning,
                array(values),
                array(self.blocked),
                "may not be seen",
                rows,
                columns,
                *axes,
                kind,
                is_derived=meaning is _ALONE,
            )

        pictures = [picture("weights", _WEIGHTS, self.weights, "weight")]
        for term in self.energies:
            pictures.append(picture(f"energy of {term}", _ENERGY, self.centred(term), "energy"))
        if len(self.energies) > 1:  # a single term gives the weights themselves
            for term in self.energies:
                name = f"weights of {term} alone"
                pictures.append(picture(name, _ALONE, self.alone(term), "weight"))
        return pictures

    def shares(self) -> TermShares | None:
        """Return what each term contributes to the weights; None without terms."""
        if not self.energies:
            return None
        nats = torch.stack([self.divergence(term).mean(-1) for term in self.energies], dim=-1)
        return TermShares(list(self.energies), array(nats))

    def arrays(self) -> dict[str, Array]:
        """Return everything by name."""
        tensors = {"weights": self.weights, "blocked": self.blocked}
        for term, energy in self.energies.items():
            tensors[f"energy.{term}"] = energy
            tensors[f"centred_energy.{term}"] = self.centred(term)
            tensors[f"alone.{term}"] = self.alone(term)
            tensors[f"divergence.{term}"] = self.divergence(term)
        return {name: array(values) for name, values in tensors.items()}
