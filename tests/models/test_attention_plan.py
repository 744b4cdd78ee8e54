"""What the flags mean for each layer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from attn_nmt.models.attention_plan import resolve
from attn_nmt.models.config import AttnTransformerConfig


def plans(**flags: Any) -> dict[str, list[tuple[str, str, int | None]]]:
    config = AttnTransformerConfig(**{"encoder_layers": 2, "decoder_layers": 3, **flags})
    return {
        side: [tuple(asdict(plan).values()) for plan in layers]  # type: ignore[misc]
        for side, layers in resolve(config).items()
    }


def test_all_terms_everywhere_by_default() -> None:
    assert plans() == {
        "encoder": [("1111", "none", None)] * 2,
        "decoder": [("1111", "1111", None)] * 3,
    }


def test_one_entry_is_for_all_layers_and_a_list_for_each() -> None:
    found = plans(
        encoder_self_attn_terms="0010,none",
        decoder_self_attn_terms="1000,0100,0010",
        cross_attn_terms="1111,1000,0000",
        self_attn_span=7,
    )
    assert found["encoder"] == [("0010", "none", 7), ("none", "none", 7)]
    assert found["decoder"] == [("1000", "1111", 7), ("0100", "1000", 7), ("0010", "0000", 7)]


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_a_sided_flag_wins(side: str) -> None:
    found = plans(self_attn_terms="0110", **{f"{side}_self_attn_terms": "0001"})
    for name, layers in found.items():
        assert {plan[0] for plan in layers} == {"0001" if name == side else "0110"}


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_a_sided_type_wins(side: str) -> None:
    other = "decoder" if side == "encoder" else "encoder"
    for flags in (
        {f"{side}_self_attn_type": "none"},
        {"self_attn_type": "none", f"{other}_self_attn_type": "relative"},
    ):
        found = plans(**flags)
        assert {plan[0] for plan in found[side]} == {"none"}
        assert {plan[0] for plan in found[other]} == {"1111"}
