"""From the sublayers of a model to what there is to see of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from attn_nmt.modules import ContextBroadcast, DeformableConv1d, RelativeMultiheadAttention
from attn_nmt.modules.headwise_conv1d import HeadwiseConv1d
from attn_nmt.study.inspecting.attention_views import AttentionView
from attn_nmt.study.inspecting.capture import Sublayer
from attn_nmt.study.inspecting.deformable_views import DeformableView
from attn_nmt.study.inspecting.kernel_views import KernelView
from attn_nmt.study.inspecting.panel import Panel, Picture
from attn_nmt.study.inspecting.plain_views import (
    about_attention,
    about_broadcast,
    about_deformable,
    about_kernels,
    about_nothing,
)
from attn_nmt.study.inspecting.sentence import Sentence

NAMES = {
    "deformable": "deformable convolution",
    "self_attn": "self-attention",
    "encoder_attn": "encoder-decoder attention",
    "context_broadcast": "context broadcasting",
}
ALIGNMENT = "alignment"


def make_panels(sublayers: Sequence[Sublayer], sentence: Sentence) -> list[Panel]:
    """Return a panel a sublayer, in their order, and last the alignment."""
    panels = [_panel(sublayer, sentence) for sublayer in sublayers]
    return [*panels, alignment(panels, sentence)]


def alignment(panels: Sequence[Panel], sentence: Sentence) -> Panel:
    """Return the mean of the encoder-decoder attention over all layers and heads."""
    weights = [p.arrays["weights"] for p in panels if p.path.endswith("encoder_attn")]
    mean = np.mean([layer.mean(axis=0) for layer in weights], axis=0)
    picture = Picture(
        "alignment",
        "Mean weight of each source token (column) where the model is to say each "
        "target token (row), over all layers and heads.",
        mean[None],
        np.zeros(mean.shape, dtype=bool),
        "",
        sentence.target_tokens,
        sentence.source_tokens,
    )
    return Panel(
        part="Decoder: alignment",
        layer="all",
        path=ALIGNMENT,
        setting="mean of the encoder-decoder attention",
        notes=[
            "A mean of weights is no proof of what the model relies on; layers and heads differ "
            "widely, and are shown one by one under encoder-decoder attention."
        ],
        pictures=[picture],
        arrays={"weights": mean},
    )


def _panel(sublayer: Sublayer, sentence: Sentence) -> Panel:
    empty = Panel(
        part=f"{sublayer.side.capitalize()}: {NAMES[sublayer.name]}",
        layer=str(sublayer.layer + 1),
        path=sublayer.path,
        setting="none",
        notes=about_nothing(NAMES[sublayer.name]),
    )
    tokens = sentence.source_tokens if sublayer.side == "encoder" else sentence.input_tokens
    given = sublayer.given
    match sublayer.module:
        case RelativeMultiheadAttention() as module:
            attention = AttentionView.of(module, given["query"], given.get("key"))
            rows, columns = tokens, tokens
            if sublayer.name == "encoder_attn":
                rows, columns = sentence.target_tokens, sentence.source_tokens
            setting, notes = about_attention(module)
            return replace(
                empty,
                setting=setting,
                notes=notes,
                pictures=attention.pictures(rows, columns),
                shares=attention.shares(),
                arrays=attention.arrays(),
            )
        case HeadwiseConv1d() as module:
            kernels = KernelView.of(module, given["x"])
            setting, notes = about_kernels(module)
            return replace(
                empty,
                setting=setting,
                notes=notes,
                pictures=kernels.pictures(tokens),
                arrays=kernels.arrays(),
            )
        case DeformableConv1d() as module:
            sampling = DeformableView.of(module, given["x"])
            setting, notes = about_deformable(module)
            return replace(
                empty,
                setting=setting,
                notes=notes,
                arrows=sampling.arrows(tokens),
                arrays=sampling.arrays(),
            )
        case ContextBroadcast() as module:
            setting, notes, arrays = about_broadcast(module)
            return replace(empty, setting=setting, notes=notes, arrays=arrays)
    return empty
