"""Every flag is checked before a layer is built."""

from __future__ import annotations

import re
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import attn_nmt
from attn_nmt.models.config import AttnTransformerConfig


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"dropout": 1.5}, "--dropout must lie between 0 and 1, but is 1.5 instead."),
        (
            {"activation_dropout": 1.5},
            "--activation-dropout must lie between 0 and 1, but is 1.5 instead.",
        ),
        (
            {"attention_dropout": -0.1},
            "--attention-dropout must lie between 0 and 1, but is -0.1 instead.",
        ),
        (
            {"decoder_embed_dim": 256},
            "--decoder-embed-dim must equal --encoder-embed-dim (512), but is 256 instead.",
        ),
        ({"encoder_layers": 0}, "--encoder-layers must be positive, but is 0 instead."),
        (
            {"decoder_attention_heads": 7},
            "--decoder-attention-heads must divide --decoder-embed-dim (512), but is 7 instead.",
        ),
        (
            {"self_attn_terms": "111"},
            "--self-attn-terms must be four bits, each 0 or 1, or none, but is '111' instead.",
        ),
        (
            {"self_attn_terms": "11112"},
            "--self-attn-terms must be four bits, each 0 or 1, or none, but is '11112' instead.",
        ),
        (
            {"encoder_self_attn_terms": "abcd"},
            "--encoder-self-attn-terms must be four bits, each 0 or 1, or none, but is 'abcd' "
            "instead.",
        ),
        (
            {"decoder_self_attn_terms": ""},
            "--decoder-self-attn-terms must be four bits, each 0 or 1, or none, but is '' instead.",
        ),
        (
            {"self_attn_terms": "1111,0010"},
            "--self-attn-terms must have one entry, or one for each of the 6 layers, "
            "but '1111,0010' has 2 instead.",
        ),
        (
            {"cross_attn_terms": "none"},
            "--cross-attn-terms must be four bits, each 0 or 1, but is 'none' instead.",
        ),
        (
            {"cross_attn_terms": "1111,1000,1111"},
            "--cross-attn-terms must have one entry, or one for each of the 6 layers, "
            "but '1111,1000,1111' has 3 instead.",
        ),
        (
            {"self_attn_span": 4},
            "--self-attn-span must be odd, or 0 for no limit, but is 4 instead.",
        ),
        (
            {"self_attn_span": -3},
            "--self-attn-span must be odd, or 0 for no limit, but is -3 instead.",
        ),
        (
            {"encoder_self_attn_type": "recurrent"},
            "--encoder-self-attn-type must be relative, dynamic, lightweight or none, "
            "but is 'recurrent' instead.",
        ),
        (
            {"self_attn_span": 5, "self_attn_type": "dynamic"},
            "--self-attn-span must be 0 where no layer has relative self-attention, "
            "but is 5 instead.",
        ),
        (
            {"self_attn_terms": "0110", "self_attn_type": "dynamic"},
            "--self-attn-terms must be 1111 where no layer has relative self-attention, "
            "but is 0110 instead.",
        ),
        (
            {"encoder_self_attn_terms": "0110", "encoder_self_attn_type": "lightweight"},
            "--encoder-self-attn-terms must be left out where --encoder-self-attn-type is "
            "lightweight, but is '0110' instead.",
        ),
        (
            {"decoder_self_attn_terms": "0110", "self_attn_type": "none"},
            "--decoder-self-attn-terms must be left out where --self-attn-type is none, "
            "but is '0110' instead.",
        ),
        (
            {"conv_kernel_sizes": "7"},
            "--conv-kernel-sizes must be 31 where no layer is dynamic or lightweight, "
            "but is 7 instead.",
        ),
        (
            {"conv_heads": 8},
            "--conv-heads must be 16 where no layer is dynamic or lightweight, but is 8 instead.",
        ),
        (
            {"conv_glu": "off"},
            "--conv-glu must be on where no layer is dynamic or lightweight, but is off instead.",
        ),
        (
            {"conv_glu": True, "self_attn_type": "dynamic"},
            "--conv-glu must be on or off, but is True instead.",
        ),
        (
            {"conv_heads": 7, "decoder_self_attn_type": "dynamic"},
            "--conv-heads must divide --decoder-embed-dim (512), but is 7 instead.",
        ),
        (
            {"conv_heads": 0, "self_attn_type": "dynamic"},
            "--conv-heads must divide --encoder-embed-dim (512), but is 0 instead.",
        ),
        (
            {"conv_kernel_sizes": "0", "self_attn_type": "dynamic"},
            "--conv-kernel-sizes must be a number from 1 to 4095, but is '0' instead.",
        ),
        (
            {"conv_kernel_sizes": "3,x,3,3,3,3", "self_attn_type": "dynamic"},
            "--conv-kernel-sizes must be a number from 1 to 4095, but is 'x' instead.",
        ),
        (
            {"conv_kernel_sizes": "3,7", "self_attn_type": "lightweight"},
            "--conv-kernel-sizes must have one entry, or one for each of the 6 layers, "
            "but '3,7' has 2 instead.",
        ),
        (
            {"deformable_kernel_size": -1},
            "--deformable-kernel-size must be from 1 to 4095, or 0 for none, but is -1 instead.",
        ),
        (
            {"decoder_deformable_kernel_size": -3},
            "--decoder-deformable-kernel-size must be from 1 to 4095, or 0 for none, "
            "but is -3 instead.",
        ),
        (
            {"deformable_kernel_size": 3, "deformable_offset_lr_scale": 0.0},
            "--deformable-offset-lr-scale must be positive and finite, but is 0.0 instead.",
        ),
        (
            {"deformable_offset_lr_scale": 0.5},
            "--deformable-offset-lr-scale must be 0.1 where no layer is deformable, "
            "but is 0.5 instead.",
        ),
        (
            {"log_offsets": True},
            "--log-offsets must be False where no layer is deformable, but is True instead.",
        ),
        (
            {"context_broadcast": "half"},
            "--context-broadcast must be none, plain or scaled, but is 'half' instead.",
        ),
        (
            {"self_attn_span": 5, "self_attn_type": "none"},
            "--self-attn-span must be 0 where no layer has relative self-attention, "
            "but is 5 instead.",
        ),
        (
            {"self_attn_span": 5, "self_attn_terms": "none"},
            "--self-attn-span must be 0 where no layer has relative self-attention, "
            "but is 5 instead.",
        ),
    ],
)
def test_a_flag_that_breaks_its_rule_is_refused(flags: dict[str, Any], message: str) -> None:
    values = {**asdict(AttnTransformerConfig()), **flags}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        AttnTransformerConfig.from_mapping(Namespace(**values))


def test_the_defaults_are_transformer_base() -> None:
    config = AttnTransformerConfig().to_transformer_config()
    for side in (config.encoder, config.decoder):
        assert (side.embed_dim, side.ffn_embed_dim, side.layers) == (512, 2048, 6)
        assert side.attention_heads == 8


def test_there_are_no_absolute_positions_and_no_hidden_widths() -> None:
    values = {**asdict(AttnTransformerConfig()), "encoder_embed_dim": 64, "decoder_embed_dim": 64}
    config = AttnTransformerConfig.from_mapping(Namespace(**values)).to_transformer_config()
    assert config.no_token_positional_embeddings
    # fairseq's own default for these is 512, whatever the decoder's width.
    assert (config.decoder.input_dim, config.decoder.output_dim) == (64, 64)


def test_every_field_has_a_help_text() -> None:
    config = AttnTransformerConfig()
    missing = [name for name in asdict(config) if name != "_name" and not config._get_help(name)]
    assert missing == []


def test_the_yaml_file_lists_every_field_with_its_default() -> None:
    text = (Path(attn_nmt.__file__).parent / "config" / "wmt_en_de.yaml").read_text("utf-8")
    # The paper shares one vocabulary; fairseq's flags share nothing unless asked to.
    shared = {"share_decoder_input_output_embed": True, "share_all_embeddings": True}
    expected = {**asdict(AttnTransformerConfig()), "_name": "attn_transformer", **shared}
    assert OmegaConf.to_container(OmegaConf.create(text).model) == expected
