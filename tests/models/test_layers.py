"""In which order a layer applies its sublayers, where its norms stand, and where broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from fairseq.modules import FairseqDropout
from support.gradients import randomize
from support.tiny_models import Layer, build
from torch import Tensor, nn

from attn_nmt.functional.dropout import dropout
from attn_nmt.models.layers import Dropout


def layer(*, causal: bool, pre_norm: bool, **flags: Any) -> Layer:
    built = Layer(
        causal=causal,
        **flags,
        self_attn_terms="0110",
        deformable_kernel_size=3,
        context_broadcast="scaled",
        encoder_normalize_before=pre_norm,
        decoder_normalize_before=pre_norm,
    )
    randomize(built)
    return built.double()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_sublayers_follow_one_another_as_in_figure_2(
    causal: bool, pre_norm: bool, activation: str
) -> None:
    whole = layer(causal=causal, pre_norm=pre_norm, activation_fn=activation)
    x = torch.randn(5, 2, 8, dtype=torch.float64)
    part = whole.layer
    source = whole.source.expand(-1, 2, -1)

    def unit(x: Tensor, sublayer: Callable[[Tensor], Tensor], norm: nn.Module) -> Tensor:
        return x + sublayer(norm(x)) if pre_norm else norm(x + sublayer(x))

    expected = unit(x, part.deformable, part.deformable_layer_norm)
    expected = unit(expected, lambda y: part.self_attn(y)[0], part.self_attn_layer_norm)
    if causal:
        expected = unit(
            expected, lambda y: part.encoder_attn(y, source)[0], part.encoder_attn_layer_norm
        )
    expected = unit(
        expected,
        lambda y: part.context_broadcast(part.fc2(getattr(torch, activation)(part.fc1(y)))),
        part.final_layer_norm,
    )
    torch.testing.assert_close(whole(x), expected)


@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_every_sublayer_is_dropped_before_it_is_added(causal: bool, pre_norm: bool) -> None:
    whole = layer(causal=causal, pre_norm=pre_norm, dropout=1.0).train()
    x = torch.randn(5, 2, 8, dtype=torch.float64)
    part, expected = whole.layer, x
    if not pre_norm:
        between = [part.encoder_attn_layer_norm] if causal else []
        first = [part.deformable_layer_norm, part.self_attn_layer_norm]
        for norm in (*first, *between, part.final_layer_norm):
            expected = norm(expected)
    torch.testing.assert_close(whole(x), expected, rtol=0, atol=0)


def test_activations_are_dropped_inside_the_feed_forward_sublayer() -> None:
    whole = Layer(causal=False, activation_dropout=1.0, encoder_normalize_before=True).double()
    randomize(whole)
    x, part = torch.randn(3, 2, 8, dtype=torch.float64), whole.layer.train()
    torch.testing.assert_close(part.feed_forward(x, None), x + part.fc2.bias)


@pytest.mark.parametrize("causal", [False, True])
def test_a_mask_reaches_self_attention(causal: bool) -> None:
    part, x = layer(causal=causal, pre_norm=True).layer, torch.randn(4, 2, 8).double()
    mask = torch.eye(4, dtype=torch.bool).flip(0)
    expected, _ = part.self_attn(part.self_attn_layer_norm(x), attn_mask=mask)
    found = part.self_attention(x, None, attn_mask=mask)
    torch.testing.assert_close(found, x + expected)
    assert not torch.allclose(found, part.self_attention(x, None))


def test_a_convolution_refuses_a_mask_it_cannot_follow() -> None:
    built = Layer(causal=True, self_attn_type="dynamic", conv_heads=2).double()
    x, mask = torch.randn(3, 1, 8, dtype=torch.float64), torch.ones(3, 3, dtype=torch.bool)
    message = "^`attn_mask` must be None where self-attention is a convolution.$"
    with pytest.raises(ValueError, match=message):
        built.layer(x, built.source, self_attn_mask=mask)


def test_dropout_is_for_training_unless_generation_keeps_it() -> None:
    module, x = Dropout(0.5, module_name="EncoderLayer"), torch.ones(40)
    torch.manual_seed(1)
    expected = dropout(x, 0.5)
    torch.manual_seed(1)
    assert torch.equal(module(x), expected) and not torch.equal(expected, x)
    module.eval()
    assert module(x) is x
    module.make_generation_fast_("", retain_dropout=True, retain_dropout_modules=["Other"])
    assert module(x) is x
    module.make_generation_fast_("", retain_dropout=True)
    torch.manual_seed(1)
    assert torch.equal(module(x), expected)
    assert Dropout(0.0)(x) is x


def test_every_dropout_of_a_model_is_of_this_kind() -> None:
    model = build()
    kinds = [type(part) for part in model.modules() if isinstance(part, FairseqDropout)]
    # Embeddings on either side; two in each layer.
    assert kinds == [Dropout] * (2 + 2 * len([*model.encoder.layers, *model.decoder.layers]))
