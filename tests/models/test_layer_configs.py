"""What the flags mean for each layer."""

from __future__ import annotations

from typing import Any

import pytest

from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.mechanisms import LayerConfig


def layer_configs(**flags: Any) -> dict[str, list[LayerConfig]]:
    flags = {"encoder_layers": 2, "decoder_layers": 3, **flags}
    return AttnTransformerConfig(**flags).layer_configs()


def column(layers: list[LayerConfig], *names: str) -> list[Any]:
    """One value or tuple per layer."""
    rows = [tuple(getattr(layer, name) for name in names) for layer in layers]
    return [row[0] for row in rows] if len(names) == 1 else rows


def test_all_terms_everywhere_by_default() -> None:
    layer = LayerConfig(
        side="encoder",
        embed_dim=512,
        attention_heads=8,
        ffn_embed_dim=2048,
        deformable=0,
        self_attn_type="relative",
        self_attn_terms="1111",
        span=None,
        kernel_size=None,
        cross_attn_terms="none",
        context_broadcast="none",
    )
    found = layer_configs()
    assert found["encoder"] == [layer] * 2
    assert column(found["decoder"], "self_attn_terms", "cross_attn_terms") == [("1111", "1111")] * 3


def test_one_entry_is_for_all_layers_and_a_list_for_each() -> None:
    found = layer_configs(
        encoder_self_attn_terms="0010,none",
        decoder_self_attn_terms="1000,0100,0010",
        cross_attn_terms="1111,1000,0000",
        self_attn_span=7,
    )
    names = ("self_attn_type", "self_attn_terms", "span")
    assert column(found["encoder"], *names) == [("relative", "0010", 7), ("none", "none", None)]
    assert column(found["decoder"], "self_attn_terms", "cross_attn_terms", "span") == [
        ("1000", "1111", 7),
        ("0100", "1000", 7),
        ("0010", "0000", 7),
    ]


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_a_flag_of_one_side_overrides_that_of_both(side: str) -> None:
    found = layer_configs(self_attn_terms="0110", **{f"{side}_self_attn_terms": "0001"})
    for name, layers in found.items():
        assert set(column(layers, "self_attn_terms")) == {"0001" if name == side else "0110"}
    found = layer_configs(deformable_kernel_size=3, **{f"{side}_deformable_kernel_size": 0})
    for name, layers in found.items():
        assert set(column(layers, "deformable")) == {0 if name == side else 3}


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_norms_of_one_side_stand_where_its_own_flag_says(side: str) -> None:
    found = layer_configs(**{f"{side}_normalize_before": True})
    for name, layers in found.items():
        assert set(column(layers, "normalize_before")) == {name == side}


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_a_type_of_one_side_overrides_that_of_both(side: str) -> None:
    other = "decoder" if side == "encoder" else "encoder"
    for flags in (
        {f"{side}_self_attn_type": "none"},
        {"self_attn_type": "none", f"{other}_self_attn_type": "relative"},
    ):
        found = layer_configs(**flags)
        assert set(column(found[side], "self_attn_type", "self_attn_terms")) == {("none", "none")}
        assert set(column(found[other], "self_attn_terms")) == {"1111"}


def test_convolutions_have_kernels_and_no_terms() -> None:
    found = layer_configs(
        self_attn_type="lightweight", conv_kernel_sizes="7", conv_heads=8, conv_glu="off"
    )
    names = ("self_attn_type", "self_attn_terms", "kernel_size", "conv_heads", "conv_glu")
    for layers in found.values():
        assert set(column(layers, *names)) == {("lightweight", "none", 7, 8, False)}


def test_a_list_of_kernel_sizes_has_one_per_layer() -> None:
    found = layer_configs(decoder_self_attn_type="dynamic", conv_kernel_sizes="3,7,15")
    assert column(found["decoder"], "kernel_size") == [3, 7, 15]
    assert column(found["encoder"], "kernel_size") == [None, None]


def test_mechanisms_mix_side_by_side() -> None:
    """Dynamic encoder behind deformable convolutions, decoder with two terms in a span."""
    found = layer_configs(
        encoder_self_attn_type="dynamic",
        self_attn_terms="0110",
        self_attn_span=5,
        encoder_deformable_kernel_size=5,
        context_broadcast="scaled",
        deformable_offset_lr_scale=0.5,
    )
    names = ("deformable", "self_attn_type", "self_attn_terms", "span", "kernel_size")
    assert set(column(found["encoder"], *names)) == {(5, "dynamic", "none", None, 31)}
    assert set(column(found["decoder"], *names)) == {(0, "relative", "0110", 5, None)}
    for layers in found.values():
        assert set(column(layers, "context_broadcast", "deformable_offset_lr_scale")) == {
            ("scaled", 0.5)
        }
