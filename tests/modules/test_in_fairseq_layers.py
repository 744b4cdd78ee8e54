"""fairseq's own layers hold our attention in place of theirs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fairseq.models.transformer import TransformerConfig
from fairseq.modules.transformer_layer import (
    TransformerDecoderLayerBase,
    TransformerEncoderLayerBase,
)
from support.gradients import randomize

from attn_nmt.modules import RelativeMultiheadAttention

WIDTH, BATCH = 16, 2
TERMS = ("1111", "0110", "0010", "0000")


def config() -> TransformerConfig:
    return TransformerConfig.from_namespace(
        type(
            "Flags",
            (),
            {
                "encoder_embed_dim": WIDTH,
                "decoder_embed_dim": WIDTH,
                "encoder_ffn_embed_dim": 8,
                "decoder_ffn_embed_dim": 8,
                "encoder_attention_heads": 2,
                "decoder_attention_heads": 2,
            },
        )()
    )


@pytest.mark.parametrize("terms", TERMS)
def test_encoder_layer(terms: str) -> None:
    layer = TransformerEncoderLayerBase(config())
    layer.self_attn = RelativeMultiheadAttention(WIDTH, 2, terms=terms)
    layer.double().eval()
    x, padding = torch.randn(5, BATCH, WIDTH).double(), torch.zeros(BATCH, 5, dtype=torch.bool)
    padding[1, 3:] = True
    among, alone = layer(x, padding), layer(x[:3, 1:], None)
    torch.testing.assert_close(among[:3, 1:], alone)


@pytest.mark.parametrize("handed_over", [False, True])
@pytest.mark.parametrize("terms", TERMS)
def test_decoder_layer_step_by_step(terms: str, handed_over: bool) -> None:
    """With ``handed_over`` the layer is given the keys and values of its past from outside."""
    layer = TransformerDecoderLayerBase(config())
    layer.self_attn = RelativeMultiheadAttention(WIDTH, 2, terms=terms, causal=True)
    layer.encoder_attn = RelativeMultiheadAttention(WIDTH, 2, terms=terms)
    layer.double().eval()
    randomize(layer.self_attn)
    x, memory = torch.randn(5, BATCH, WIDTH).double(), torch.randn(4, BATCH, WIDTH).double()
    expected, weights, _ = layer(x, memory, need_attn=True)
    assert weights.shape == (BATCH, 5, 4)
    state: dict[str, Any] = {}
    for step in range(4):
        found, _, _ = layer(x[step : step + 1], memory, incremental_state=state)
        torch.testing.assert_close(found, expected[step : step + 1])
    past = None
    if handed_over and layer.self_attn.terms.uses_query:
        buffer = layer.self_attn._get_input_buffer(state)
        past = [buffer["prev_key"], buffer["prev_value"], torch.zeros(BATCH, 4, dtype=torch.bool)]
        source, state = layer.encoder_attn.load_cache(state), {}
        layer.encoder_attn.store_cache(state, source)  # all else of the steps before is gone
    found, _, _ = layer(x[4:], memory, incremental_state=state, prev_self_attn_state=past)
    torch.testing.assert_close(found, expected[4:])
