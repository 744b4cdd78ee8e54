"""What a whole model costs by the formulas: a sum over its layers and their mechanisms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.layer_plan import SIDES, LayerPlan, resolve
from attn_nmt.models.mechanism_flags import NO_SUBLAYER
from attn_nmt.study.costs import formulas, parameters
from attn_nmt.study.costs.formulas import Products


@dataclass(frozen=True)
class Mechanism:
    """One mechanism of one layer; its layer norm counts as its own parameters."""

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
        """All products together."""
        return sum(self.products.values())


def mechanisms(config: AttnTransformerConfig, length: int) -> list[Mechanism]:
    """Return every mechanism of the model in order, for ``length`` tokens on both sides.

    Raises:
        ValueError: if a flag breaks its rule.
    """
    plans = resolve(config)
    return [
        mechanism
        for side in SIDES
        for mechanism in (
            *_around(config, side),
            *(
                mechanism
                for number, plan in enumerate(plans[side], start=1)
                for mechanism in _Layer(config, side, number, plan, length).mechanisms()
            ),
        )
    ]


@dataclass(frozen=True)
class _Layer:
    """One layer of one side, as a source of mechanisms."""

    config: AttnTransformerConfig
    side: str
    number: int
    plan: LayerPlan
    length: int

    def mechanisms(self) -> Iterator[Mechanism]:
        """Yield the mechanisms in the order in which they are applied."""
        if self.plan.deformable:
            yield self._deformable()
        if self.plan.self_attn_type == "relative":
            yield self._attention("self_attn", self.plan.self_attn_terms, self.plan.span)
        elif self.plan.kernel_size is not None:
            yield self._convolution(self.plan.kernel_size)
        if self.plan.cross_attn_terms != NO_SUBLAYER:
            yield self._attention("encoder_attn", self.plan.cross_attn_terms, None)
        yield self._feed_forward()
        if self.plan.context_broadcast != "none":
            yield self._broadcast()

    @property
    def width(self) -> int:
        """Channels of this side."""
        width: int = getattr(self.config, f"{self.side}_embed_dim")
        return width

    def _mechanism(
        self, name: str, setting: str, products: Products, own: int, *, norm: bool = True
    ) -> Mechanism:
        own += parameters.layer_norm(width=self.width) if norm else 0
        return Mechanism(self.side, self.number, name, setting, products, own)

    def _deformable(self) -> Mechanism:
        taps = self.plan.deformable
        products = formulas.deformable_convolution(tokens=self.length, width=self.width, taps=taps)
        own = parameters.deformable_convolution(width=self.width, taps=taps)
        return self._mechanism("deformable", f"{taps} taps", products, own)

    def _attention(self, name: str, terms: str, span: int | None) -> Mechanism:
        products = formulas.attention(
            terms, queries=self.length, keys=self.length, width=self.width, span=span
        )
        own = parameters.attention(terms, width=self.width)
        return self._mechanism(
            name, terms if span is None else f"{terms} span {span}", products, own
        )

    def _convolution(self, taps: int) -> Mechanism:
        kind, heads, glu = self.plan.self_attn_type, self.plan.conv_heads, self.plan.conv_glu
        products = formulas.headwise_convolution(
            kind, tokens=self.length, width=self.width, taps=taps, heads=heads, glu=glu
        )
        own = parameters.headwise_convolution(
            kind, width=self.width, taps=taps, heads=heads, glu=glu
        )
        return self._mechanism("self_attn", f"{kind} {taps} taps", products, own)

    def _feed_forward(self) -> Mechanism:
        inner = getattr(self.config, f"{self.side}_ffn_embed_dim")
        products = formulas.feed_forward(tokens=self.length, width=self.width, inner_width=inner)
        own = parameters.feed_forward(width=self.width, inner_width=inner)
        return self._mechanism("feed_forward", f"{inner} channels", products, own)

    def _broadcast(self) -> Mechanism:
        kind = self.plan.context_broadcast
        products = formulas.context_broadcast(tokens=self.length, width=self.width)
        own = self.width if kind == "scaled" else 0
        # It stands inside the feed-forward sublayer, whose norm is counted there.
        return self._mechanism("context_broadcast", kind, products, own, norm=False)


def _around(config: AttnTransformerConfig, side: str) -> Iterator[Mechanism]:
    """Yield the norms that belong to no layer: that of the embeddings, and the last if pre-norm."""
    norm = parameters.layer_norm(width=getattr(config, f"{side}_embed_dim"))
    if config.layernorm_embedding:
        yield Mechanism(side, 0, "layernorm_embedding", "", {}, norm)
    if getattr(config, f"{side}_normalize_before"):
        yield Mechanism(side, 0, "layer_norm", "", {}, norm)
