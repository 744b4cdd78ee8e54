"""Small models over a small vocabulary, built the way fairseq builds them."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY, build_model
from omegaconf import OmegaConf

import attn_nmt.models  # noqa: F401  registers the architectures
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.layers import DecoderLayer, EncoderLayer
from attn_nmt.modules import ContextBroadcast, DeformableConv1d
from attn_nmt.modules.incremental import IncrementalModule

SYMBOLS = 20


class Task:
    """What ``build_model`` asks of a task."""

    def __init__(self, left_pad_target: bool = False, load_alignments: bool = False) -> None:
        self.cfg = Namespace(left_pad_target=left_pad_target, load_alignments=load_alignments)
        self.source_dictionary = self.target_dictionary = Dictionary()
        for number in range(SYMBOLS):
            self.source_dictionary.add_symbol(f"w{number}")


def build(
    arch: str = "attn_transformer_tiny",
    *,
    dtype: torch.dtype = torch.float64,
    load_alignments: bool = False,
    **flags: Any,
) -> Any:
    """Build ``--arch`` with its defaults and the flags given, in evaluation mode."""
    assert arch in ARCH_MODEL_REGISTRY
    given = Namespace(**flags)
    ARCH_CONFIG_REGISTRY[arch](given)
    values = {**vars(AttnTransformerConfig()), **vars(given), "_name": arch}
    task = Task(load_alignments=load_alignments)
    torch.manual_seed(3)
    model = build_model(OmegaConf.create(values), task)
    for module in model.modules():
        # They begin at zero, where a test would not see what they do.
        if isinstance(module, DeformableConv1d):
            torch.nn.init.normal_(module.offset_proj.weight)
        if isinstance(module, ContextBroadcast) and module.scale is not None:
            torch.nn.init.normal_(module.scale)
    return model.to(dtype).eval()


class Layer(torch.nn.Module):
    """One layer as a mechanism: a decoder layer over a fixed source, or an encoder layer."""

    def __init__(self, *, causal: bool, **flags: Any) -> None:
        super().__init__()
        for side in ("encoder", "decoder"):
            sizes = {"embed_dim": 8, "ffn_embed_dim": 12, "layers": 1, "attention_heads": 2}
            flags.update({f"{side}_{name}": size for name, size in sizes.items()})
        # Terms without positions: from a target padded on the left, the source seems farther away.
        flags["cross_attn_terms"] = "1010"
        config = AttnTransformerConfig(**{"dropout": 0.0, **flags}).to_transformer_config()
        self.causal = causal
        self.register_buffer("source", torch.randn(3, 1, 8, dtype=torch.float64))
        if causal:
            self.layer = DecoderLayer(config, config.layer_configs["decoder"][0])
        else:
            self.layer = EncoderLayer(config, config.layer_configs["encoder"][0])

    def forward(self, x: Any, padding_mask: Any = None, incremental_state: Any = None) -> Any:
        if not self.causal:
            return self.layer(x, padding_mask)
        source = self.source.expand(-1, x.size(1), -1)
        output, *_ = self.layer(
            x, source, incremental_state=incremental_state, self_attn_padding_mask=padding_mask
        )
        return output

    def reorder_incremental_state(self, state: Any, order: torch.Tensor) -> None:
        for module in self.layer.modules():
            if isinstance(module, IncrementalModule):
                module.reorder_incremental_state(state, order)


def sentences(*lengths: int, seed: int = 0) -> list[torch.Tensor]:
    """Return random sentences, each ended by </s>."""
    generator = torch.Generator().manual_seed(seed)
    first, eos = 4, 2
    return [
        torch.cat(
            (torch.randint(first, first + SYMBOLS, (n,), generator=generator), torch.tensor([eos]))
        )
        for n in lengths
    ]
