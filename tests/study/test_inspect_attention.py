"""Weights, energies and shares of attention: every term, every kind of mask, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.gradients import randomize
from support.reference import attention, is_allowed
from torch import Tensor

from attn_nmt.modules import RelativeMultiheadAttention
from attn_nmt.study.inspecting.attention_views import AttentionView
from attn_nmt.study.inspecting.panel import Shares
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


def exact(found: Any, expected: Any) -> None:
    torch.testing.assert_close(torch.as_tensor(found), expected, rtol=0, atol=1e-9)


class Case:
    """A module of random parameters, its input, and what the slow loops make of it."""

    def __init__(self, terms: str, kind: str) -> None:
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
        self.allowed = torch.tensor(
            [
                [
                    is_allowed(
                        i, j, causal=self.limits.get("causal", False), span=self.limits.get("span")
                    )
                    for j in range(len(self.key))
                ]
                for i in range(LENGTH)
            ]
        )

    def weights(self, terms: str) -> Tensor:
        """(H, Lq, Lk), pair by pair."""
        p = {name: value.detach() for name, value in self.module.named_parameters()}
        _, found = attention(
            p, self.query, self.key, self.key, heads=HEADS, terms=terms, **self.limits
        )
        return found[0]


@pytest.fixture(params=[(terms, kind) for terms in ALL_TERMS for kind in KINDS], ids=" ".join)
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


def test_a_term_alone_is_an_attention_with_that_term(case: Case) -> None:
    for number, name in enumerate(NAMES):
        if case.terms[number] == "1":
            only = "".join("1" if place == number else "0" for place in range(4))
            exact(case.view.alone(name), case.weights(only))


def test_the_shares_add_up_to_how_far_the_weights_are_from_uniform(case: Case) -> None:
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
    assert isinstance(shares, Shares)
    exact(shares.nats.sum(-1), expected.mean(-1))


def test_a_share_is_of_the_energies_and_not_of_their_level() -> None:
    """A number added to all energies of a term changes nothing that is shown of it."""
    view = Case("1111", "causal").view
    moved = {**view.energies, "key_only": view.energies["key_only"] + 100}
    other = AttentionView(view.weights, moved, view.blocked)
    for name in NAMES:
        exact(other.centred(name), view.centred(name))
        exact(other.divergence(name), view.divergence(name))


def test_what_is_drawn() -> None:
    view = Case("0110", "cross").view
    rows, columns = [f"t{i}" for i in range(LENGTH)], [f"s{j}" for j in range(SOURCE)]
    pictures = view.pictures(rows, columns)
    drawn = {picture.name: picture for picture in pictures}
    exact(drawn["weights"].values, view.weights)
    exact(view.arrays()["energy.key_only"], view.energies["key_only"])
    for name in ("query_position", "key_only"):
        assert drawn[f"energy of {name}"].kind == "energy"
        exact(drawn[f"energy of {name}"].values, view.centred(name))
        assert drawn[f"weights of {name} alone"].is_derived
        exact(drawn[f"weights of {name} alone"].values, view.alone(name))
    assert len(drawn) == 5 and all(picture.rows == rows for picture in pictures)
    assert [picture.name for picture in Case("0010", "self").view.pictures([], [])] == [
        "weights",
        "energy of key_only",
    ]
