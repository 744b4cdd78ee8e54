"""What the layers of this package really compute, counted while they run.

PyTorch's FlopCounterMode counts the matrix products of one forward pass of the real modules, on the
meta device, that is without numbers: of the CPU's fused attention it would know nothing. Two of its
flops are one multiply-add. Beside the formulas,

- 0010 and 0000 without a span mix the values once a sentence, in the decoder as a running mean;
- 0001 has an energy a distance, not a pair;
- a query meets every distance of the sentence in (q + v) . r, also those beyond its ends;
- distances are projected once a batch, not once a sentence;
- a span is cut into blocks, a kernel written as a matrix: more products than keys in reach;
- what is no matrix product is not counted: reading between tokens, context broadcasting.
"""

from __future__ import annotations

from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.layer_plan import SIDES, LayerPlan, resolve
from attn_nmt.models.layers import DecoderLayer, EncoderLayer

Counts = dict[str, float]


def actual_costs(
    config: AttnTransformerConfig, length: int, sentences: int = 1
) -> dict[tuple[str, int], Counts]:
    """Return multiply-adds a sentence by (side, layer from 1), and there by mechanism.

    A batch is ``sentences`` of ``length`` tokens each, both sides alike, without padding; no
    dropout, and gradients on, as in training.

    Raises:
        ValueError: if a flag breaks its rule.
    """
    plans = resolve(config)

    @cache
    def count(side: str, plan: LayerPlan) -> Counts:
        return _count(config, side, plan, length, sentences)

    return {
        (side, number): count(side, plan)
        for side in SIDES
        for number, plan in enumerate(plans[side], start=1)
    }


def _count(
    config: AttnTransformerConfig, side: str, plan: LayerPlan, length: int, sentences: int
) -> Counts:
    nested = config.to_transformer_config()
    with torch.device("meta"), torch.enable_grad():
        x = torch.empty(length, sentences, config.encoder_embed_dim)
        counter = FlopCounterMode(display=False)
        if side == "encoder":
            encoder = EncoderLayer(nested, plan).eval()
            with counter:
                encoder(x, None)
        else:
            decoder = DecoderLayer(nested, plan).eval()
            with counter:
                decoder(x, x)
    counts: dict[str, float] = {
        name.partition(".")[2]: sum(flops.values()) / 2 / sentences
        for name, flops in counter.get_flop_counts().items()
    }
    counts["feed_forward"] = counts.pop("fc1") + counts.pop("fc2")
    # A name with a full stop is a part of a mechanism, the empty one the whole layer.
    return {name: number for name, number in counts.items() if name and "." not in name}
