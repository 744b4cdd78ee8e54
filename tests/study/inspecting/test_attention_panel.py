"""Weights, energies and shares of attention: all terms, all kinds of masks, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.gradients import randomize
from support.reference import attention, is_allowed
from torch import Tensor

from attn_nmt.modules import RelativeMultiheadAttention
from attn_nmt.study.inspecting.attention_panel import AttentionView
from attn_nmt.study.inspecting.panel_data import TermShares
from attn_nmt.terms import ALL_TERMS

WIDTH, HEADS, LENGTH, SOURCE = 8, 2, 5, 7
KINDS: dict[str, dict[str, Any]] = {
    "self": {},
    "causal": {"causal": True},
    "span": {"span": 3},
    "causal span": {"causal": True, "span": 3},
    "cross": {},
}
NAMES = ("query_key", "query_position", "key_only", "position_only")


def exact(actual: Any, expected: Any) -> None:
    torch.testing.assert_close(torch.as_tensor(actual), expected, rtol=0, atol=1e-9)


class Case:
    """A module with random parameters, its input, and the weights that the slow loops give it."""

    def __init__(self, terms: str, kind: str) -> None:
        torch.manual_seed(0)
        self.limits, self.terms = KINDS[kind], terms
        self.module = RelativeMultiheadAttention(WIDTH, HEADS, terms=terms, **self.limits).double()
        randomize(self.module)
        self.query = torch.randn(LENGTH, 1, WIDTH, dtype=torch.float64)
        self.key = self.query
        if kind == "cross":
            self.key = torch.randn(SOURCE, 1, WIDTH, dtype=torch.float64)
        self.view = AttentionView.of(
            self.module.eval(), self.query, self.key if kind == "cross" else None
        )
        causal, span = self.limits.get("causal", False), self.limits.get("span")
        self.allowed = torch.tensor(
            [
                [is_allowed(i, j, causal=causal, span=span) for j in range(len(self.key))]
                for i in range(LENGTH)
            ]
        )
        self._weights: dict[str, Tensor] = {}

    def weights(self, terms: str) -> Tensor:
        """(H, Lq, Lk), pair by pair."""
        if terms not in self._weights:
            p = {name: value.detach() for name, value in self.module.named_parameters()}
            _, weights = attention(
                p, self.query, self.key, self.key, heads=HEADS, terms=terms, **self.limits
            )
            self._weights[terms] = weights[0]
        return self._weights[terms]


@pytest.fixture(
    scope="module", params=[(terms, kind) for terms in ALL_TERMS for kind in KINDS], ids=" ".join
)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


def test_the_energies_add_up_to_the_weights(case: Case) -> None:
    weights = case.weights(case.terms)
    exact(case.view.weights, weights)
    assert torch.equal(case.view.blocked, ~case.allowed)
    enabled = [name for name, bit in zip(NAMES, case.terms, strict=True) if bit == "1"]
    assert list(case.view.energies) == enabled
    total = sum(case.view.energies.values(), torch.zeros_like(weights))
    exact(total.masked_fill(~case.allowed, -torch.inf).softmax(-1), weights)
    centred = sum((case.view.centred(name) for name in enabled), torch.zeros_like(weights))
    for i in range(LENGTH):
        logarithms = weights[:, i, case.allowed[i]].log()
        exact(centred[:, i, case.allowed[i]], logarithms - logarithms.mean(-1, keepdim=True))
        assert not centred[:, i, ~case.allowed[i]].any()


def test_a_term_alone_gives_the_weights_of_an_attention_with_that_term_only(case: Case) -> None:
    for number, name in enumerate(NAMES):
        if case.terms[number] == "1":
            only = "".join("1" if place == number else "0" for place in range(4))
            exact(case.view.alone(name), case.weights(only))


def test_the_shares_add_up_to_the_divergence_from_uniform(case: Case) -> None:
    total = sum(
        (case.view.divergence(name) for name in case.view.energies),
        torch.zeros(HEADS, LENGTH, dtype=torch.float64),
    )
    expected = torch.zeros_like(total)
    for i in range(LENGTH):
        w = case.weights(case.terms)[:, i, case.allowed[i]]
        u = torch.full_like(w, 1 / w.size(-1))
        expected[:, i] = (w * (w / u).log()).sum(-1) + (u * (u / w).log()).sum(-1)
    exact(total, expected)
    shares = case.view.shares()
    if case.terms == "0000":
        assert shares is None
        return
    assert isinstance(shares, TermShares)
    exact(shares.nats.sum(-1), expected.mean(-1))


def test_a_constant_added_to_the_energies_of_a_term_changes_no_share() -> None:
    view = Case("1111", "causal").view
    shifted = {**view.energies, "key_only": view.energies["key_only"] + 100}
    other = AttentionView(view.weights, shifted, view.blocked)
    for name in NAMES:
        exact(other.centred(name), view.centred(name))
        exact(other.divergence(name), view.divergence(name))


def test_the_weights_and_each_terms_energies_are_drawn() -> None:
    view = Case("0110", "cross").view
    rows, columns = [f"t{i}" for i in range(LENGTH)], [f"s{j}" for j in range(SOURCE)]
    pictures = view.pictures(rows, columns, ("query", "key"))
    drawn = {picture.name: picture for picture in pictures}
    exact(drawn["weights"].values, view.weights)
    exact(view.arrays()["energy.key_only"], view.energies["key_only"])
    for name in ("query_position", "key_only"):
        assert drawn[f"energy of {name}"].kind == "energy"
        exact(drawn[f"energy of {name}"].values, view.centred(name))
        assert drawn[f"weights of {name} alone"].is_derived
        exact(drawn[f"weights of {name} alone"].values, view.alone(name))
    assert len(drawn) == 5 and all(picture.rows == rows for picture in pictures)
    of_one_term = Case("0010", "self").view.pictures([], [], ("query", "key"))
    assert [picture.name for picture in of_one_term] == ["weights", "energy of key_only"]
