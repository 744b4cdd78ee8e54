"""What a whole model costs by the formulas: a sum over its layers and their mechanisms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from attn_nmt.models import costs
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.costs import Products
from attn_nmt.models.mechanisms import SIDES, LayerConfig


@dataclass(frozen=True)
class MechanismCost:
    """One mechanism of one layer; its layer norm counts among its parameters."""

    side: str
    layer: int
    """From 1; 0 stands for the norms around a stack of layers."""
    name: str
    """As the module is called: "deformable", "self_attn", ...; "feed_forward" for fc1 and fc2."""
    setting: str
    """Such as "1111", "0110 span 13", "dynamic 31 taps"."""
    products: Products
    parameters: int

    @property
    def multiply_adds(self) -> int:
        """The sum over all products."""
        return sum(self.products.values())


def mechanism_costs(config: AttnTransformerConfig, length: int) -> list[MechanismCost]:
    """Return every mechanism of the model in order, for ``length`` tokens on both sides.

    Raises:
        ValueError: if a flag breaks its rule.
    """
    layers = config.layer_configs()
    return [
        mechanism
        for side in SIDES
        for mechanism in (
            *_outer_norms(config, side),
            *(
                mechanism
                for number, layer in enumerate(layers[side], start=1)
                for mechanism in _layer_costs(layer, number, length)
            ),
        )
    ]


def _layer_costs(layer: LayerConfig, number: int, length: int) -> Iterator[MechanismCost]:
    """Yield the mechanisms of a layer, the feed-forward sublayer in its place among them."""
    norm = costs.layer_norm_parameters(width=layer.embed_dim)
    rows = {
        name: MechanismCost(
            layer.side,
            number,
            name,
            mechanism.setting(layer),
            mechanism.products(layer, length),
            mechanism.parameters(layer) + (norm if mechanism.has_layer_norm else 0),
        )
        for name, mechanism in layer.mechanisms().items()
    }
    inner = {"width": layer.embed_dim, "inner_width": layer.ffn_embed_dim}
    broadcast = rows.pop("context_broadcast", None)
    yield from rows.values()
    yield MechanismCost(
        layer.side,
        number,
        "feed_forward",
        f"{layer.ffn_embed_dim} channels",
        costs.feed_forward_products(tokens=length, **inner),
        costs.feed_forward_parameters(**inner) + norm,
    )
    if broadcast is not None:
        yield broadcast


def _outer_norms(config: AttnTransformerConfig, side: str) -> Iterator[MechanismCost]:
    """Yield the norms that belong to no layer: that of the embeddings, and the last if pre-norm."""
    norm = costs.layer_norm_parameters(width=getattr(config, f"{side}_embed_dim"))
    if config.layernorm_embedding:
        yield MechanismCost(side, 0, "layernorm_embedding", "", {}, norm)
    if getattr(config, f"{side}_normalize_before"):
        yield MechanismCost(side, 0, "layer_norm", "", {}, norm)
