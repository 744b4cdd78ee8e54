"""The mechanisms of a model in the words of its flags, as short as its layers allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.mechanisms import SIDES, LayerConfig
from attn_nmt.study.tables import Row


def describe(config: AttnTransformerConfig) -> Row:
    """Return the setting of each mechanism.

    A value that all layers share is returned as it is. Otherwise it is text: "encoder / decoder",
    and for a side whose layers differ a comma list with one entry per layer.

    Raises:
        ValueError: if a flag breaks its rule.
    """
    layers = config.layer_configs()
    return {
        "type": _shared(layers, "self_attn_type"),
        "self_attn": _shared(layers, "self_attn_terms"),
        "cross_attn": _shared(layers, "cross_attn_terms", ("decoder",)),
        "deformable": any(layer.deformable for side in SIDES for layer in layers[side]),
        "deformable_kernel_size": _shared(layers, "deformable"),
        "span": _shared(layers, "span"),
        "kernel_size": _shared(layers, "kernel_size"),
        "context_broadcast": _shared(layers, "context_broadcast"),
    }


def _shared(layers: dict[str, list[LayerConfig]], name: str, sides: Sequence[str] = SIDES) -> Any:
    values = [[getattr(layer, name) for layer in layers[side]] for side in sides]
    distinct = {value for side in values for value in side}
    return distinct.pop() if len(distinct) == 1 else " / ".join(_listed(side) for side in values)


def _listed(values: list[Any]) -> str:
    """Return one entry if all are the same, else a comma list."""
    entries = values[:1] if len(set(values)) == 1 else values
    return ",".join("none" if value is None else str(value) for value in entries)
