"""In which order a layer applies its sublayers, where its norms stand, and where broadcasting."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from support.gradients import randomize
from support.tiny_models import Layer
from torch import Tensor, nn


def layer(*, causal: bool, pre_norm: bool) -> Layer:
    built = Layer(
        causal=causal,
        self_attn_terms="0110",
        deformable_kernel_size=3,
        context_broadcast="scaled",
        encoder_normalize_before=pre_norm,
        decoder_normalize_before=pre_norm,
    )
    randomize(built)
    return built.double()


@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_sublayers_follow_one_another_as_in_figure_2(causal: bool, pre_norm: bool) -> None:
    whole, x = layer(causal=causal, pre_norm=pre_norm), torch.randn(5, 2, 8, dtype=torch.float64)
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
        lambda y: part.context_broadcast(part.fc2(part.fc1(y).relu())),
        part.final_layer_norm,
    )
    torch.testing.assert_close(whole(x), expected)


def test_a_convolution_refuses_a_mask_it_cannot_follow() -> None:
    built = Layer(causal=True, self_attn_type="dynamic", conv_heads=2).double()
    x, mask = torch.randn(3, 1, 8, dtype=torch.float64), torch.ones(3, 3, dtype=torch.bool)
    message = "^`attn_mask` must be None where self-attention is a convolution.$"
    with pytest.raises(ValueError, match=message):
        built.layer(x, built.source, self_attn_mask=mask)
