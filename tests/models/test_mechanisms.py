"""The registry of mechanisms: what it says of each is true of what it builds."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from fairseq.models import ARCH_MODEL_REGISTRY

import attn_nmt.models  # noqa: F401  registers the architectures
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.mechanisms import (
    ALL_MECHANISMS,
    NO_SUBLAYER,
    SELF_ATTENTION,
    SIDES,
    LayerConfig,
    self_attention,
)

KINDS = [kind for kind in SELF_ATTENTION if kind != NO_SUBLAYER]


def layer_of(kind: str, **settings: Any) -> LayerConfig:
    is_relative = kind == "relative"
    return LayerConfig(
        side="decoder",
        embed_dim=12,
        attention_heads=3,
        ffn_embed_dim=20,
        deformable=3,
        self_attn_type=kind,
        self_attn_terms="1011" if is_relative else NO_SUBLAYER,
        kernel_size=None if is_relative else 5,
        conv_heads=4,
        cross_attn_terms="0110",
        context_broadcast="scaled",
        **settings,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_mechanism_has_the_parameters_that_the_registry_counts(kind: str) -> None:
    layer = layer_of(kind)
    mechanisms = layer.mechanisms()
    assert list(mechanisms) == ["deformable", "self_attn", "encoder_attn", "context_broadcast"]
    for name, mechanism in mechanisms.items():
        module = layer.build(name)
        assert module is not None
        number = sum(parameter.numel() for parameter in module.parameters())
        assert number == mechanism.parameters(layer), name
        assert all(product >= 0 for product in mechanism.products(layer, 7).values())


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", KINDS)
def test_modules_are_built_as_their_layer_says(kind: str, side: str) -> None:
    """With values that are no module's default."""
    layer = replace(
        layer_of(kind, span=7 if kind == "relative" else None),
        side=side,
        cross_attn_terms="0110" if side == "decoder" else NO_SUBLAYER,
        conv_glu=False,
        deformable_offset_lr_scale=0.7,
        attention_dropout=0.3,
    )
    is_causal = side == "decoder"
    modules: dict[str, Any] = {name: layer.build(name) for name in layer.mechanisms()}
    deformable, own = modules["deformable"], modules["self_attn"]
    assert (deformable.kernel_size, deformable.offset_lr_scale) == (3, 0.7)
    assert (own.embed_dim, own.dropout, own.causal) == (12, 0.3, is_causal)
    if kind == "relative":
        assert (own.num_heads, str(own.terms), own.span) == (3, "1011", 7)
    else:
        assert (own.num_heads, own.kernel_size, own.glu) == (4, 5, False)
    assert deformable.causal == modules["context_broadcast"].causal == is_causal
    if is_causal:
        cross = modules["encoder_attn"]
        assert (cross.num_heads, str(cross.terms), cross.dropout) == (3, "0110", 0.3)
        assert not cross.causal and cross.span is None


def test_a_sublayer_that_a_layer_does_not_have_is_not_built() -> None:
    assert layer_of(KINDS[0]).build("deformable") is not None
    encoder = LayerConfig(side="encoder", embed_dim=8, attention_heads=2, ffn_embed_dim=8)
    assert encoder.build("encoder_attn") is None
    assert list(encoder.mechanisms()) == ["self_attn"]


@pytest.mark.parametrize("kind", ["recurrent", NO_SUBLAYER])
def test_an_unknown_kind_is_an_error_wherever_it_is_asked_for(kind: str) -> None:
    message = f"^`self_attn_type` must be one of .*dynamic.*, but is '{kind}' instead.$"
    with pytest.raises(ValueError, match=message):
        self_attention(kind)
    if kind != NO_SUBLAYER:
        with pytest.raises(ValueError, match=message):
            layer_of(kind).build("self_attn")


def test_flags_of_a_mechanism_are_fields_of_the_configuration() -> None:
    names = {f.name for f in fields(AttnTransformerConfig)}
    assert {flag for mechanism in ALL_MECHANISMS for flag in mechanism.flags} <= names


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "relative"])
def test_every_convolution_has_an_architecture_of_each_size(kind: str) -> None:
    for size in ("tiny", "iwslt_de_en", "wmt_en_de"):
        assert f"attn_transformer_{kind}_{size}" in ARCH_MODEL_REGISTRY
