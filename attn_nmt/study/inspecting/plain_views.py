"""What is said of each mechanism in words, above all where there is nothing to draw."""

from __future__ import annotations

from attn_nmt.modules import (
    ContextBroadcast,
    DeformableConv1d,
    DynamicConv1d,
    RelativeMultiheadAttention,
)
from attn_nmt.modules.headwise_conv1d import HeadwiseConv1d
from attn_nmt.study.inspecting.attention_views import array
from attn_nmt.study.inspecting.panel import Array

Words = tuple[str, list[str]]
"""The mechanism with its setting, and notes on what is seen of it, a sentence or more each."""


def about_attention(module: RelativeMultiheadAttention) -> Words:
    """Describe attention by its terms."""
    setting = f"attention, terms {module.terms}"
    notes = []
    if module.span is not None:
        setting += f", span {module.span}"
    if str(module.terms) == "0000":
        notes.append(
            "No term is switched on: all keys that may be seen have the same weight, and there are "
            "no energies to show."
        )
    elif not module.terms.uses_query and not module.terms.uses_position:
        notes.append(
            "The term does not look at the query: rows that may see the same keys are the same."
        )
    elif not module.terms.uses_query and not module.terms.uses_key:
        notes.append("The term looks at the distance alone: it is the same for all sentences.")
    return setting, notes


def about_kernels(module: HeadwiseConv1d) -> Words:
    """Describe dynamic or lightweight convolution."""
    width = module.embed_dim // module.num_heads
    gate = "gated" if module.glu else "not gated"
    notes = [
        f"A convolution of {module.kernel_size} taps and {module.num_heads} heads stands in place "
        f"of self-attention; each head's kernel serves {width} channels. There are no queries, "
        "keys or terms."
    ]
    if isinstance(module, DynamicConv1d):
        return f"dynamic convolution, {gate}", notes
    notes.append("It has one kernel a head, the same for all tokens and all sentences.")
    return f"lightweight convolution, {gate}", notes


def about_deformable(module: DeformableConv1d) -> Words:
    """Describe deformable convolution."""
    return f"deformable convolution of {module.kernel_size} taps", [
        "All channels read at the same places: there are no heads. Between two tokens, each is "
        "read the more the nearer it is; what lies elsewhere counts as zero."
    ]


def about_broadcast(module: ContextBroadcast) -> tuple[str, list[str], dict[str, Array]]:
    """Describe context broadcasting, with the learned scale if it has one."""
    tokens = "the tokens up to itself" if module.causal else "all tokens of the sentence"
    notes = [
        f"Each token gets the mean of {tokens}, every one with the same weight: there are no heads "
        "and no weights to draw."
    ]
    if module.scale is None:
        return "context broadcasting, plain", notes, {}
    scale = array(module.scale)
    notes.append(
        f"The mean is multiplied by a learned number a channel: from {scale.min():+.3g} to "
        f"{scale.max():+.3g}, {abs(scale).mean():.3g} on average without the sign."
    )
    return "context broadcasting, scaled", notes, {"scale": scale}


def about_nothing(name: str) -> list[str]:
    """Say that a layer goes without a sublayer."""
    return [f"This layer has no {name}: there is nothing to show."]
