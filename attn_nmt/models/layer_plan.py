"""What each layer is made of, resolved from the flags before any layer is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from attn_nmt.models.mechanism_flags import (
    CONTEXT_BROADCASTS,
    NO_SUBLAYER,
    ON_OFF,
    SELF_ATTN_TYPES,
    MechanismFlags,
)
from attn_nmt.models.per_layer import one_of, per_layer, read_size, read_terms, read_terms_or_none

SIDES = ("encoder", "decoder")
CONVOLUTIONS = ("dynamic", "lightweight")


@dataclass(frozen=True)
class LayerPlan:
    """The mechanisms of one layer, in the order in which they are applied."""

    deformable: int = 0
    """Taps of the deformable convolution before self-attention; 0 for none."""
    deformable_offset_lr_scale: float = 0.1
    self_attn_type: str = "relative"
    """"relative", "dynamic", "lightweight"; "none" leaves out the sublayer and its layer norm."""
    self_attn_terms: str = "1111"
    """Terms of relative self-attention, else "none"."""
    span: int | None = None
    """Reach of relative self-attention, an odd number of tokens; None for no limit."""
    kernel_size: int | None = None
    """Taps of dynamic or lightweight convolution, else None."""
    conv_heads: int = 16
    conv_glu: bool = True
    cross_attn_terms: str = NO_SUBLAYER
    """Terms of encoder-decoder attention; "none" in the encoder."""
    context_broadcast: str = "none"
    """"none", "plain" or "scaled"."""


def resolve(config: MechanismFlags) -> dict[str, list[LayerPlan]]:
    """Return the plan of every layer of "encoder" and "decoder".

    Raises:
        ValueError: naming the flag, the rule and the value found, where a value breaks its rule or
            has no use beside the others.
    """
    span = config.self_attn_span
    if span < 0 or (span > 0 and span % 2 == 0):
        raise ValueError(f"--self-attn-span must be odd, or 0 for no limit, but is {span} instead.")
    if not config.deformable_offset_lr_scale > 0.0:
        raise ValueError(
            "--deformable-offset-lr-scale must be positive, "
            f"but is {config.deformable_offset_lr_scale} instead."
        )
    one_of("--context-broadcast", config.context_broadcast, CONTEXT_BROADCASTS)
    one_of("--conv-glu", config.conv_glu, ON_OFF)
    plans = {side: _side(config, side) for side in SIDES}
    _refuse_unused(config, plans)
    return plans


def _side(config: MechanismFlags, side: str) -> list[LayerPlan]:
    layers, kind = getattr(config, f"{side}_layers"), self_attn_type(config, side)
    terms, cross_attn = [NO_SUBLAYER] * layers, [NO_SUBLAYER] * layers
    kernels: list[int | None] = [None] * layers
    if kind == "relative":
        flag, text = _sided(config, side, "self_attn_terms")
        terms = per_layer(flag, text, layers, read_terms_or_none)
    if kind in CONVOLUTIONS:
        kernels = _kernels(config, side)
    if side == "decoder":
        flag, text = "--cross-attn-terms", config.cross_attn_terms
        cross_attn = per_layer(flag, text, layers, read_terms)
    flag, deformable = _sided(config, side, "deformable_kernel_size")
    if deformable < 0:
        raise ValueError(f"{flag} must be positive, or 0 for none, but is {deformable} instead.")
    return [
        LayerPlan(
            deformable=deformable,
            deformable_offset_lr_scale=config.deformable_offset_lr_scale,
            self_attn_type=NO_SUBLAYER if kind == "relative" and own == NO_SUBLAYER else kind,
            self_attn_terms=own,
            span=(config.self_attn_span or None) if own != NO_SUBLAYER else None,
            kernel_size=taps,
            conv_heads=config.conv_heads,
            conv_glu=config.conv_glu == "on",
            cross_attn_terms=across,
            context_broadcast=config.context_broadcast,
        )
        for own, taps, across in zip(terms, kernels, cross_attn, strict=True)
    ]


def self_attn_type(config: MechanismFlags, side: str) -> str:
    """Return ``--self-attn-type`` of one side."""
    flag, kind = _sided(config, side, "self_attn_type")
    one_of(flag, kind, SELF_ATTN_TYPES)
    terms = getattr(config, f"{side}_self_attn_terms")
    if kind != "relative" and terms is not None:
        raise ValueError(
            f"--{side}-self-attn-terms must be left out where {flag} is {kind}, "
            f"but is {terms!r} instead."
        )
    return str(kind)


def _kernels(config: MechanismFlags, side: str) -> list[int | None]:
    width = getattr(config, f"{side}_embed_dim")
    if config.conv_heads < 1 or width % config.conv_heads:
        raise ValueError(
            f"--conv-heads must divide --{side}-embed-dim ({width}), "
            f"but is {config.conv_heads} instead."
        )
    layers, text = getattr(config, f"{side}_layers"), str(config.conv_kernel_sizes)
    return [*per_layer("--conv-kernel-sizes", text, layers, read_size)]


def _sided(config: MechanismFlags, side: str, name: str) -> tuple[str, Any]:
    """Return the flag that counts for one side, and its value."""
    own = getattr(config, f"{side}_{name}")
    field = name if own is None else f"{side}_{name}"
    return "--" + field.replace("_", "-"), getattr(config, field)


def _refuse_unused(config: MechanismFlags, plans: dict[str, list[LayerPlan]]) -> None:
    """Refuse a value that would be read by no layer, since it was meant to do something."""
    layers = [plan for side in SIDES for plan in plans[side]]
    types = {self_attn_type(config, side) for side in SIDES}
    has_terms = any(plan.self_attn_terms != NO_SUBLAYER for plan in layers)
    is_relative, is_convolution = "relative" in types, bool(types & set(CONVOLUTIONS))
    is_deformable = any(plan.deformable for plan in layers)
    for name, used, layer in (
        ("self_attn_terms", is_relative, "has relative self-attention"),
        ("self_attn_span", has_terms, "has relative self-attention"),
        ("conv_kernel_sizes", is_convolution, "is dynamic or lightweight"),
        ("conv_heads", is_convolution, "is dynamic or lightweight"),
        ("conv_glu", is_convolution, "is dynamic or lightweight"),
        ("deformable_offset_lr_scale", is_deformable, "is deformable"),
        ("log_offsets", is_deformable, "is deformable"),
    ):
        value, default = getattr(config, name), getattr(MechanismFlags, name)
        if not used and value != default:
            flag = "--" + name.replace("_", "-")
            raise ValueError(
                f"{flag} must be {default} where no layer {layer}, but is {value} instead."
            )
