"""What the layers of this package really compute, counted while they run.

PyTorch's FlopCounterMode counts the matrix products of one forward pass of the real modules. They
run on the meta device, that is without numbers, since it does not count the CPU's fused attention.
Two of its flops are one multiply-add. It differs from the formulas:

- 0010 and 0000 without a span weigh the values once per sentence, in the decoder cumulatively;
- 0001 has one energy per distance, not per pair;
- in (q + v) . r a query is multiplied with every distance of the sentence, also beyond its ends;
- distances are projected once per batch, not once per sentence;
- a span is cut into blocks, and a kernel written as a matrix: more products than keys in reach;
- only matrix products are counted, not interpolation or context broadcasting.
"""

from __future__ import annotations

from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.layers import DecoderLayer, EncoderLayer
from attn_nmt.models.mechanisms import SIDES, LayerConfig

Counts = dict[str, float]


def actual_costs(
    config: AttnTransformerConfig, length: int, sentences: int = 1
) -> dict[tuple[str, int], Counts]:
    """Return multiply-adds per sentence by (side, layer from 1), and there by mechanism.

    A batch is ``sentences`` of ``length`` tokens each, both sides alike, without padding; no
    dropout, and gradients on, as in training.

    Raises:
        ValueError: if a flag breaks its rule.
    """
    layers = config.layer_configs()

    @cache
    def count(layer: LayerConfig) -> Counts:
        return _count(config, layer, length, sentences)

    return {
        (side, number): count(layer)
        for side in SIDES
        for number, layer in enumerate(layers[side], start=1)
    }


def _count(
    config: AttnTransformerConfig, layer: LayerConfig, length: int, sentences: int
) -> Counts:
    nested = config.to_transformer_config()
    with torch.device("meta"), torch.enable_grad():
        x = torch.empty(length, sentences, layer.embed_dim)
        counter = FlopCounterMode(display=False)
        if layer.side == "encoder":
            encoder = EncoderLayer(nested, layer).eval()
            with counter:
                encoder(x, None)
        else:
            decoder = DecoderLayer(nested, layer).eval()
            with counter:
                decoder(x, x)
    counts: dict[str, float] = {
        name.partition(".")[2]: sum(flops.values()) / 2 / sentences
        for name, flops in counter.get_flop_counts().items()
    }
    counts["feed_forward"] = counts.pop("fc1") + counts.pop("fc2")
    # A name with a full stop is a part of a mechanism, the empty one the whole layer.
    return {name: number for name, number in counts.items() if name and "." not in name}
