"""The registry of mechanisms: what builds each, which flags it reads, what it costs.

A layer applies its sublayers in this order: deformable convolution, self-attention or the
convolution in its place, encoder-decoder attention (decoder), feed-forward with context
broadcasting at its end. A new kind of self-attention is one entry of ``SELF_ATTENTION``: the flags,
the ``--arch`` names, the costs and the pictures of the study follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from attn_nmt.models import costs
from attn_nmt.models.costs import Products
from attn_nmt.modules import (
    ContextBroadcast,
    DeformableConv1d,
    DynamicConv1d,
    LightweightConv1d,
    RelativeMultiheadAttention,
)
from attn_nmt.modules.headwise_conv1d import HeadwiseConv1d
from attn_nmt.terms import AttentionTerms

SIDES = ("encoder", "decoder")
NO_SUBLAYER = "none"
CONTEXT_BROADCASTS = ("none", "plain", "scaled")


@dataclass(frozen=True)
class LayerConfig:
    """Everything that the mechanisms of one layer are built from."""

    side: str
    """"encoder" or "decoder"."""
    embed_dim: int
    """Width C, in channels."""
    attention_heads: int
    ffn_embed_dim: int
    """Width inside the feed-forward sublayer."""
    deformable: int = 0
    """Taps of the deformable convolution before self-attention; 0 for none."""
    deformable_offset_lr_scale: float = 0.1
    self_attn_type: str = "relative"
    """A key of ``SELF_ATTENTION``; "none" leaves out the sublayer and its layer norm."""
    self_attn_terms: str = "1111"
    """Terms of relative self-attention, else "none"."""
    span: int | None = None
    """Span of relative self-attention, an odd number of tokens; None for no limit."""
    kernel_size: int | None = None
    """Taps of the convolution in place of self-attention, else None."""
    conv_heads: int = 16
    conv_glu: bool = True
    cross_attn_terms: str = NO_SUBLAYER
    """Terms of encoder-decoder attention; "none" in the encoder."""
    context_broadcast: str = "none"
    """One of ``CONTEXT_BROADCASTS``."""
    normalize_before: bool = False
    """Layer norm before each sublayer, not after."""
    attention_dropout: float = field(default=0.0, compare=False)

    @property
    def causal(self) -> bool:
        """Whether a position must not see those to its right."""
        return self.side == "decoder"

    def mechanisms(self) -> dict[str, Mechanism]:
        """Return the mechanisms of this layer in order, by the attribute that holds the module."""
        mechanisms = {}
        if self.deformable:
            mechanisms["deformable"] = DEFORMABLE
        if self.self_attn_type != NO_SUBLAYER:
            mechanisms["self_attn"] = self_attention(self.self_attn_type)
        if self.cross_attn_terms != NO_SUBLAYER:
            mechanisms["encoder_attn"] = CROSS_ATTENTION
        if self.context_broadcast != "none":
            mechanisms["context_broadcast"] = CONTEXT_BROADCAST
        return mechanisms

    def build(self, name: str) -> nn.Module | None:
        """Build the module that the attribute ``name`` holds; None where this layer has none."""
        mechanism = self.mechanisms().get(name)
        return None if mechanism is None else mechanism.build(self)


@dataclass(frozen=True)
class Mechanism:
    """One way to mix positions."""

    description: str
    """Such as "dynamic convolution"."""
    condition: str
    """Of a layer that has it, such as "is dynamic": completes "no layer ..."."""
    flags: tuple[str, ...]
    """Fields of the configuration that nothing else reads; refused where no layer has it."""
    build: Callable[[LayerConfig], nn.Module]
    products: Callable[[LayerConfig, int], Products]
    """Multiply-adds for that many tokens, source and target alike."""
    parameters: Callable[[LayerConfig], int]
    """Number of parameters, without the layer norm of the sublayer."""
    setting: Callable[[LayerConfig], str]
    """Such as "0110 span 13", "dynamic 31 taps"."""
    panel: str
    """How ``study inspect`` shows it."""
    has_layer_norm: Callable[[LayerConfig], bool] = lambda layer: True
    """Whether it is a residual sublayer with a layer norm of its own."""


RELATIVE = Mechanism(
    description="relative self-attention",
    condition="has relative self-attention",
    flags=("self_attn_terms", "self_attn_span"),
    build=lambda layer: RelativeMultiheadAttention(
        layer.embed_dim,
        layer.attention_heads,
        terms=layer.self_attn_terms,
        dropout=layer.attention_dropout,
        span=layer.span,
        causal=layer.causal,
    ),
    products=lambda layer, length: costs.attention_products(
        layer.self_attn_terms,
        queries=length,
        keys=length,
        width=layer.embed_dim,
        span=layer.span,
    ),
    parameters=lambda layer: costs.attention_parameters(
        layer.self_attn_terms, width=layer.embed_dim
    ),
    setting=lambda layer: (
        layer.self_attn_terms + ("" if layer.span is None else f" span {layer.span}")
    ),
    panel="attention",
)

CROSS_ATTENTION = Mechanism(
    description="encoder-decoder attention",
    condition="has encoder-decoder attention",
    flags=("cross_attn_terms",),
    build=lambda layer: RelativeMultiheadAttention(
        layer.embed_dim,
        layer.attention_heads,
        terms=layer.cross_attn_terms,
        dropout=layer.attention_dropout,
    ),
    products=lambda layer, length: costs.attention_products(
        layer.cross_attn_terms, queries=length, keys=length, width=layer.embed_dim
    ),
    parameters=lambda layer: costs.attention_parameters(
        layer.cross_attn_terms, width=layer.embed_dim
    ),
    setting=lambda layer: layer.cross_attn_terms,
    panel="attention",
    # Before the sublayer it would normalise the query, which not every term reads; a parameter
    # without a gradient stops PyTorch's DistributedDataParallel.
    has_layer_norm=lambda layer: (
        not layer.normalize_before or AttentionTerms.parse(layer.cross_attn_terms).uses_query
    ),
)


def headwise_mechanism(kind: str, module: type[HeadwiseConv1d], *, predicted: bool) -> Mechanism:
    """Return the entry of a headwise convolution.

    Args:
        kind: its value of ``--self-attn-type``.
        module: what to build.
        predicted: whether the kernels are predicted from the tokens, a projection each.
    """

    def sizes(layer: LayerConfig) -> dict[str, Any]:
        assert layer.kernel_size is not None, "a convolution has a kernel"
        return {
            "width": layer.embed_dim,
            "taps": layer.kernel_size,
            "heads": layer.conv_heads,
            "glu": layer.conv_glu,
            "predicted": predicted,
        }

    def build(layer: LayerConfig) -> HeadwiseConv1d:
        assert layer.kernel_size is not None, "a convolution has a kernel"
        return module(
            layer.embed_dim,
            layer.kernel_size,
            layer.conv_heads,
            causal=layer.causal,
            dropout=layer.attention_dropout,
            glu=layer.conv_glu,
        )

    return Mechanism(
        description=f"{kind} convolution",
        condition=f"is {kind}",
        flags=("conv_kernel_sizes", "conv_heads", "conv_glu"),
        build=build,
        products=lambda layer, length: costs.headwise_products(tokens=length, **sizes(layer)),
        parameters=lambda layer: costs.headwise_parameters(**sizes(layer)),
        setting=lambda layer: f"{kind} {layer.kernel_size} taps",
        panel="kernels",
    )


SELF_ATTENTION: Mapping[str, Mechanism | None] = {
    "relative": RELATIVE,
    "dynamic": headwise_mechanism("dynamic", DynamicConv1d, predicted=True),
    "lightweight": headwise_mechanism("lightweight", LightweightConv1d, predicted=False),
    NO_SUBLAYER: None,
}
"""The values of ``--self-attn-type``."""

DEFORMABLE = Mechanism(
    description="deformable convolution",
    condition="is deformable",
    flags=("deformable_offset_lr_scale", "log_offsets"),
    build=lambda layer: DeformableConv1d(
        layer.embed_dim,
        layer.deformable,
        causal=layer.causal,
        offset_lr_scale=layer.deformable_offset_lr_scale,
    ),
    products=lambda layer, length: costs.deformable_products(
        tokens=length, width=layer.embed_dim, taps=layer.deformable
    ),
    parameters=lambda layer: costs.deformable_parameters(
        width=layer.embed_dim, taps=layer.deformable
    ),
    setting=lambda layer: f"{layer.deformable} taps",
    panel="deformable",
)

CONTEXT_BROADCAST = Mechanism(
    description="context broadcasting",
    condition="has context broadcasting",
    flags=(),
    build=lambda layer: ContextBroadcast(
        layer.embed_dim, scaled=layer.context_broadcast == "scaled", causal=layer.causal
    ),
    products=lambda layer, length: costs.broadcast_products(tokens=length, width=layer.embed_dim),
    parameters=lambda layer: layer.embed_dim if layer.context_broadcast == "scaled" else 0,
    setting=lambda layer: layer.context_broadcast,
    panel="broadcast",
    # Part of the feed-forward sublayer, whose norm is counted there.
    has_layer_norm=lambda layer: False,
)


def self_attention(kind: str) -> Mechanism:
    """Return the mechanism of a ``--self-attn-type`` other than "none".

    Raises:
        ValueError: if there is no such kind.
    """
    mechanism = SELF_ATTENTION.get(kind)
    if mechanism is None:
        kinds = ", ".join(name for name, entry in SELF_ATTENTION.items() if entry is not None)
        raise ValueError(f"`self_attn_type` must be one of {kinds}, but is {kind!r} instead.")
    return mechanism


ALL_MECHANISMS: tuple[Mechanism, ...] = (
    DEFORMABLE,
    *(mechanism for mechanism in SELF_ATTENTION.values() if mechanism is not None),
    CROSS_ATTENTION,
    CONTEXT_BROADCAST,
)
