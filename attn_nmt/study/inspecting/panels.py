"""From the sublayers of a model to what there is to see of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from attn_nmt.modules import ContextBroadcast
from attn_nmt.study.inspecting.attention_panel import attention_panel
from attn_nmt.study.inspecting.capture import Sentence, Sublayer
from attn_nmt.study.inspecting.convolution_panels import deformable_panel, kernels_panel
from attn_nmt.study.inspecting.panel_data import Panel, Picture, array

NAMES = {
    "deformable": "deformable convolution",
    "self_attn": "self-attention",
    "encoder_attn": "encoder-decoder attention",
    "context_broadcast": "context broadcasting",
}
"""The sublayers of a layer in words."""
ALIGNMENT, NOTHING = "alignment", "none"

_MakePanel = Callable[[Panel, Any, Mapping[str, Tensor], Sequence[str], Sequence[str]], Panel]


def make_panels(sublayers: Sequence[Sublayer], sentence: Sentence) -> list[Panel]:
    """Return the alignment, then one panel per sublayer, in their order.

    A kind of sublayer that no layer has is left out.

    Raises:
        ValueError: if a mechanism names a panel that does not exist.
    """
    panels = [_panel(sublayer, sentence) for sublayer in sublayers]
    present = {panel.part for panel in panels if panel.mechanism != NOTHING}
    return [_alignment(panels, sentence), *(panel for panel in panels if panel.part in present)]


def broadcast_panel(
    panel: Panel,
    module: ContextBroadcast,
    inputs: Mapping[str, Tensor],
    rows: Sequence[str],
    columns: Sequence[str],
) -> Panel:
    """Complete the panel of context broadcasting: in words, with the learned scale if any."""
    tokens = "the tokens up to itself" if module.causal else "all tokens of the sentence"
    notes = [
        f"Each token gets the mean of {tokens}, every one with the same weight: there are no heads "
        "and no weights to draw."
    ]
    if module.scale is None:
        return replace(panel, mechanism="context broadcasting, plain", notes=notes)
    scale = array(module.scale)
    notes.append(
        f"The mean is multiplied by a learned number per channel: from {scale.min():+.3g} to "
        f"{scale.max():+.3g}, {abs(scale).mean():.3g} on average in absolute value."
    )
    arrays = {"scale": scale}
    return replace(panel, mechanism="context broadcasting, scaled", notes=notes, arrays=arrays)


PANELS: dict[str, _MakePanel] = {
    "attention": attention_panel,
    "kernels": kernels_panel,
    "deformable": deformable_panel,
    "broadcast": broadcast_panel,
}
"""What completes a panel, by the name that the registry of mechanisms gives it."""


def _panel(sublayer: Sublayer, sentence: Sentence) -> Panel:
    name, module = NAMES[sublayer.name], sublayer.module
    panel = Panel(
        part=f"{sublayer.side.capitalize()}: {name}",
        layer=str(sublayer.layer + 1),
        path=sublayer.path,
        mechanism=NOTHING,
        notes=[f"This layer has no {name}: there is nothing to show."],
    )
    if module is None or sublayer.mechanism is None:
        return panel
    kind = sublayer.mechanism.panel
    if kind not in PANELS:
        raise ValueError(f"`panel` must be one of {', '.join(PANELS)}, but is {kind!r} instead.")
    panel = replace(panel, mechanism=sublayer.mechanism.description)
    rows = columns = sentence.source_tokens if sublayer.side == "encoder" else sentence.input_tokens
    if sublayer.name == "encoder_attn":
        rows, columns = sentence.target_tokens, sentence.source_tokens
    return PANELS[kind](panel, module, sublayer.inputs, rows, columns)


def _alignment(panels: Sequence[Panel], sentence: Sentence) -> Panel:
    """Return the mean of the encoder-decoder attention over all layers and heads."""
    weights = [p.arrays["weights"] for p in panels if p.path.endswith("encoder_attn")]
    mean = np.mean([layer.mean(axis=0) for layer in weights], axis=0)
    picture = Picture(
        "alignment",
        "Mean weight of each source token (column) where the model predicts "
        "each target token (row), over all layers and heads.",
        mean[None],
        np.zeros(mean.shape, dtype=bool),
        "",
        sentence.target_tokens,
        sentence.source_tokens,
        "target token to be predicted",
        "source token",
    )
    return Panel(
        part="Decoder: alignment",
        layer="all",
        path=ALIGNMENT,
        mechanism="mean of the encoder-decoder attention",
        notes=[
            "A mean of weights is no proof of what the model relies on; layers and heads differ "
            "widely, and are shown one by one under encoder-decoder attention."
        ],
        pictures=[picture],
        arrays={"weights": mean},
    )
