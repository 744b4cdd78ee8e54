"""What attention each layer gets, resolved from the flags before any layer is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from attn_nmt.terms import AttentionTerms

NO_SUBLAYER = "none"
SELF_ATTN_TYPES = ("relative", NO_SUBLAYER)
SIDES = ("encoder", "decoder")


class AttentionFlags(Protocol):
    """The flags that say what attention a layer gets; ``--encoder-...`` and so on."""

    encoder_layers: int
    decoder_layers: int
    self_attn_terms: str
    encoder_self_attn_terms: str | None
    decoder_self_attn_terms: str | None
    self_attn_type: str
    encoder_self_attn_type: str | None
    decoder_self_attn_type: str | None
    cross_attn_terms: str
    self_attn_span: int


@dataclass(frozen=True)
class LayerPlan:
    """The attention of one layer."""

    self_attn: str
    """Terms of self-attention; "none" leaves out the sublayer and its layer norm."""
    cross_attn: str
    """Terms of encoder-decoder attention; "none" in the encoder."""
    span: int | None
    """Reach of self-attention, an odd number of tokens; None for no limit."""


def resolve(config: AttentionFlags) -> dict[str, list[LayerPlan]]:
    """Return the plan of every layer of "encoder" and "decoder".

    Raises:
        ValueError: naming the flag, the rule and the value found.
    """
    span = config.self_attn_span
    if span < 0 or (span > 0 and span % 2 == 0):
        raise ValueError(f"--self-attn-span must be odd, or 0 for no limit, but is {span} instead.")
    plans = {side: _side(config, side) for side in SIDES}
    if span and all(plan.self_attn == NO_SUBLAYER for side in SIDES for plan in plans[side]):
        raise ValueError(
            "--self-attn-span must be 0 where no layer has relative self-attention, "
            f"but is {span} instead."
        )
    return plans


def _side(config: AttentionFlags, side: str) -> list[LayerPlan]:
    layers = getattr(config, f"{side}_layers")
    self_attn, cross_attn = _self_attn(config, side, layers), [NO_SUBLAYER] * layers
    if side == "decoder":
        cross_attn = per_layer("--cross-attn-terms", config.cross_attn_terms, layers)
    span = config.self_attn_span or None
    return [LayerPlan(own, across, span) for own, across in zip(self_attn, cross_attn, strict=True)]


def _self_attn(config: AttentionFlags, side: str, layers: int) -> list[str]:
    sided = getattr(config, f"{side}_self_attn_terms")
    flag = "--self-attn-terms" if sided is None else f"--{side}-self-attn-terms"
    text = config.self_attn_terms if sided is None else sided
    terms = per_layer(flag, text, layers, or_none=True)
    sided = getattr(config, f"{side}_self_attn_type")
    kind = config.self_attn_type if sided is None else sided
    if kind not in SELF_ATTN_TYPES:
        flag = "--self-attn-type" if sided is None else f"--{side}-self-attn-type"
        choice = " or ".join(SELF_ATTN_TYPES)
        raise ValueError(f"{flag} must be {choice}, but is {kind!r} instead.")
    return [NO_SUBLAYER] * layers if kind == NO_SUBLAYER else terms


def per_layer(flag: str, text: str, layers: int, *, or_none: bool = False) -> list[str]:
    """Read one setting for all layers, or a comma list with one entry a layer.

    Raises:
        ValueError: naming the flag, the rule and the value found.
    """
    entries = text.split(",")
    if len(entries) not in (1, layers):
        raise ValueError(
            f"{flag} must have one entry, or one for each of the {layers} layers, "
            f"but {text!r} has {len(entries)} instead."
        )
    for entry in entries:
        if not (or_none and entry == NO_SUBLAYER) and not AttentionTerms.is_valid(entry):
            choice = ", or none" if or_none else ""
            raise ValueError(
                f"{flag} must be four bits, each 0 or 1{choice}, but is {entry!r} instead."
            )
    return entries * layers if len(entries) == 1 else entries
