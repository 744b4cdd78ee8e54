"""What each sublayer of a model is given in one pass over a pair of sentences."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

SUBLAYERS = {
    "encoder": ("deformable", "self_attn", "context_broadcast"),
    "decoder": ("deformable", "self_attn", "encoder_attn", "context_broadcast"),
}
"""The attributes of a layer that mix positions, in the order in which they are applied."""


@dataclass(frozen=True)
class Sublayer:
    """One sublayer, and the arguments of its call by their names."""

    side: str
    """"encoder" or "decoder"."""
    layer: int
    """Counted from 0, as in the names of parameters."""
    name: str
    """One of ``SUBLAYERS``."""
    module: nn.Module | None
    """None where the layer goes without."""
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The name of the module in the model."""
        return f"{self.side}.layers.{self.layer}.{self.name}"


@torch.no_grad()
def capture(model: Any, source: Tensor, target: Tensor) -> list[Sublayer]:
    """Run the model once, the translation given, and return its sublayers in their order.

    Shape:
        - source: (S); target: (T), with </s> at the end of both
    """
    found = [
        Sublayer(side, number, name, getattr(layer, name))
        for side, names in SUBLAYERS.items()
        for number, layer in enumerate(getattr(model, side).layers)
        for name in names
    ]
    given: dict[nn.Module, Mapping[str, Any]] = {}

    def catch(module: nn.Module, args: Any, options: Any) -> None:
        given[module] = inspect.signature(module.forward).bind(*args, **options).arguments

    modules = [sublayer.module for sublayer in found if sublayer.module is not None]
    hooks = [module.register_forward_pre_hook(catch, with_kwargs=True) for module in modules]
    try:
        # The decoder reads </s>, and then what it said before.
        read = torch.cat((target[-1:], target[:-1]))
        model(source[None], torch.tensor([len(source)]), read[None])
    finally:
        for hook in hooks:
            hook.remove()
    return [
        Sublayer(one.side, one.layer, one.name, one.module, given[one.module])
        if one.module is not None
        else one
        for one in found
    ]
