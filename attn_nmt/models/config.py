"""The rules of the flags, and what they mean for each layer; checked before a layer is built."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from fairseq.models.transformer import TransformerConfig

from attn_nmt.models.flags import ON_OFF, ModelFlags
from attn_nmt.models.mechanisms import (
    ALL_MECHANISMS,
    CONTEXT_BROADCASTS,
    NO_SUBLAYER,
    SELF_ATTENTION,
    SIDES,
    LayerConfig,
)
from attn_nmt.terms import AttentionTerms

Entry = TypeVar("Entry")

MAX_TAPS = 4095
"""Of any convolution: more than a sentence has tokens, and fewer than would fill the memory."""


@dataclass
class AttnTransformerConfig(ModelFlags):
    """Flags of ``--arch attn_transformer_*`` and fields of ``model`` in a YAML file.

    The defaults are Transformer-base; ``architectures.py`` holds the other sizes.
    """

    @classmethod
    def from_mapping(cls, values: Any) -> AttnTransformerConfig:
        """Read a fairseq configuration (a namespace or a DictConfig) and check it.

        Raises:
            ValueError: naming the flag, the rule and the value found.
        """
        # A checkpoint may be older than a field, and then means its default.
        names = [f.name for f in fields(cls) if f.name != "_name"]
        config = cls(**{name: getattr(values, name, getattr(cls, name)) for name in names})
        config.validate()
        return config

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the default of each field by its name."""
        return {field.name: field.default for field in fields(cls)}

    def validate(self) -> None:
        """Check every flag, by itself and beside the others.

        Raises:
            ValueError: naming the flag, the rule and the value found.
        """
        for name in ("dropout", "attention_dropout", "activation_dropout"):
            self._require(name, 0.0 <= getattr(self, name) <= 1.0, "lie between 0 and 1")
        self._require(
            "decoder_embed_dim",
            self.decoder_embed_dim == self.encoder_embed_dim,
            f"equal --encoder-embed-dim ({self.encoder_embed_dim})",
        )
        self._require(
            "compile_layers",
            not (self.compile_layers and self.checkpoint_activations),
            "be off beside --checkpoint-activations",
        )
        for side in SIDES:
            for name in ("embed_dim", "ffn_embed_dim", "layers", "attention_heads"):
                self._require(f"{side}_{name}", getattr(self, f"{side}_{name}") > 0, "be positive")
            self._require_positions(side)
            width, heads = getattr(self, f"{side}_embed_dim"), f"{side}_attention_heads"
            rule = f"divide --{side}-embed-dim ({width})"
            self._require(heads, width % getattr(self, heads) == 0, rule)
        self.layer_configs()

    def _require_positions(self, side: str) -> None:
        name = "max_source_positions" if side == "encoder" else "max_target_positions"
        self._require(name, getattr(self, name) > 0, "be positive")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            value = getattr(self, name)
            raise ValueError(f"{flag_of(name)} must {rule}, but is {value} instead.")

    def to_transformer_config(self) -> TransformerConfig:
        """Return the nested form that fairseq reads, with ``layer_configs`` of both sides."""
        flat = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "_name"}
        # Relative attention is the only source of word order in these models.
        flat["no_token_positional_embeddings"] = True
        # Left out, these two would have fairseq's own default width.
        flat["decoder_input_dim"] = flat["decoder_output_dim"] = self.decoder_embed_dim
        nested = TransformerConfig.from_namespace(Namespace(**flat))
        nested.layer_configs, nested.compile_layers = self.layer_configs(), self.compile_layers
        return nested

    def layer_configs(self) -> dict[str, list[LayerConfig]]:
        """Return what every layer of "encoder" and "decoder" is made of.

        Raises:
            ValueError: naming the flag, the rule and the value found, where a value breaks its rule
                or no layer reads it.
        """
        span = self.self_attn_span
        is_span = span == 0 or (span > 0 and span % 2 == 1)
        self._require("self_attn_span", is_span, "be odd, or 0 for no limit")
        is_scale = 0.0 < self.deformable_offset_lr_scale < math.inf
        self._require("deformable_offset_lr_scale", is_scale, "be positive and finite")
        require_one_of("--context-broadcast", self.context_broadcast, CONTEXT_BROADCASTS)
        require_one_of("--conv-glu", self.conv_glu, ON_OFF)
        layers = {side: self._layers_of(side) for side in SIDES}
        self._refuse_unread(layers)
        return layers

    def _self_attn_type_of(self, side: str) -> str:
        """Return ``--self-attn-type`` of one side."""
        flag, kind = self._sided(side, "self_attn_type")
        require_one_of(flag, kind, tuple(SELF_ATTENTION))
        terms = getattr(self, f"{side}_self_attn_terms")
        if terms is not None and "self_attn_terms" not in _flags_of(kind):
            raise ValueError(
                f"--{side}-self-attn-terms must be left out where {flag} is {kind}, "
                f"but is {terms!r} instead."
            )
        return str(kind)

    def _layers_of(self, side: str) -> list[LayerConfig]:
        number, kind = getattr(self, f"{side}_layers"), self._self_attn_type_of(side)
        terms, cross_attn_terms = [NO_SUBLAYER] * number, [NO_SUBLAYER] * number
        kernel_sizes: Sequence[int | None] = [None] * number
        if "self_attn_terms" in _flags_of(kind):
            flag, text = self._sided(side, "self_attn_terms")
            terms = per_layer(flag, text, number, read_terms_or_none)
        if "conv_kernel_sizes" in _flags_of(kind):
            kernel_sizes = self._kernel_sizes_of(side)
        if side == "decoder":
            flag, text = "--cross-attn-terms", self.cross_attn_terms
            cross_attn_terms = per_layer(flag, text, number, read_terms)
        flag, deformable = self._sided(side, "deformable_kernel_size")
        if not 0 <= deformable <= MAX_TAPS:
            raise ValueError(
                f"{flag} must be from 1 to {MAX_TAPS}, or 0 for none, but is {deformable} instead."
            )
        is_absent = ["self_attn_terms" in _flags_of(kind) and own == NO_SUBLAYER for own in terms]
        return [
            LayerConfig(
                side=side,
                embed_dim=getattr(self, f"{side}_embed_dim"),
                attention_heads=getattr(self, f"{side}_attention_heads"),
                ffn_embed_dim=getattr(self, f"{side}_ffn_embed_dim"),
                deformable=deformable,
                deformable_offset_lr_scale=self.deformable_offset_lr_scale,
                self_attn_type=NO_SUBLAYER if is_absent[layer] else kind,
                self_attn_terms=terms[layer],
                span=(self.self_attn_span or None) if terms[layer] != NO_SUBLAYER else None,
                kernel_size=kernel_sizes[layer],
                conv_heads=self.conv_heads,
                conv_glu=self.conv_glu == "on",
                cross_attn_terms=cross_attn_terms[layer],
                context_broadcast=self.context_broadcast,
                normalize_before=getattr(self, f"{side}_normalize_before"),
                attention_dropout=self.attention_dropout,
            )
            for layer in range(number)
        ]

    def _kernel_sizes_of(self, side: str) -> list[int]:
        width = getattr(self, f"{side}_embed_dim")
        divides = self.conv_heads > 0 and width % self.conv_heads == 0
        self._require("conv_heads", divides, f"divide --{side}-embed-dim ({width})")
        number, text = getattr(self, f"{side}_layers"), str(self.conv_kernel_sizes)
        return per_layer("--conv-kernel-sizes", text, number, read_size)

    def _sided(self, side: str, name: str) -> tuple[str, Any]:
        """Return the flag that counts for one side, and its value."""
        own = getattr(self, f"{side}_{name}")
        field = name if own is None else f"{side}_{name}"
        return flag_of(field), getattr(self, field)

    def _refuse_unread(self, layers: dict[str, list[LayerConfig]]) -> None:
        """Refuse a value that no layer would read, since it was meant to do something."""
        present = [
            mechanism
            for side in SIDES
            for layer in layers[side]
            for mechanism in layer.mechanisms().values()
        ]
        read = {flag for mechanism in present for flag in mechanism.flags}
        if any("self_attn_terms" in _flags_of(self._self_attn_type_of(side)) for side in SIDES):
            read.add("self_attn_terms")  # also where it says that no layer has self-attention
        for name in (flag for mechanism in ALL_MECHANISMS for flag in mechanism.flags):
            value, default = getattr(self, name), getattr(ModelFlags, name)
            if name not in read and value != default:
                raise ValueError(
                    f"{flag_of(name)} must be {default} where no layer {_condition_of(name)}, "
                    f"but is {value} instead."
                )


def flag_of(name: str) -> str:
    """Return the flag of a field: ``self_attn_terms`` -> ``--self-attn-terms``."""
    return "--" + name.replace("_", "-")


def _flags_of(kind: str) -> tuple[str, ...]:
    mechanism = SELF_ATTENTION[kind]
    return () if mechanism is None else mechanism.flags


def _condition_of(name: str) -> str:
    """Return what a layer must be to read a field, such as "is dynamic or lightweight"."""
    first, *others = [m.condition for m in ALL_MECHANISMS if name in m.flags]
    return " or ".join([first, *(condition.removeprefix("is ") for condition in others)])


def per_layer(flag: str, text: str, layers: int, read: Callable[[str, str], Entry]) -> list[Entry]:
    """Return the entry of each layer, from one for all or a comma list with one per layer.

    Args:
        flag: where ``text`` comes from.
        read: takes the flag and one entry.

    Raises:
        ValueError: naming the flag, the rule and the value found.
    """
    entries = text.split(",")
    if len(entries) not in (1, layers):
        raise ValueError(
            f"{flag} must have one entry, or one for each of the {layers} layers, "
            f"but {text!r} has {len(entries)} instead."
        )
    values = [read(flag, entry) for entry in entries]
    return values * layers if len(values) == 1 else values


def read_terms(flag: str, entry: str, alternative: str = "") -> str:
    """Return four bits as they are, or raise ValueError."""
    if not AttentionTerms.is_valid(entry):
        raise ValueError(
            f"{flag} must be four bits, each 0 or 1{alternative}, but is {entry!r} instead."
        )
    return entry


def read_terms_or_none(flag: str, entry: str) -> str:
    """Return four bits or "none", or raise ValueError."""
    return entry if entry == NO_SUBLAYER else read_terms(flag, entry, ", or none")


def read_size(flag: str, entry: str) -> int:
    """Return a number of taps, or raise ValueError."""
    digits = entry.strip()
    if not digits.isdecimal() or len(digits) > 9 or not 1 <= int(digits) <= MAX_TAPS:
        raise ValueError(f"{flag} must be a number from 1 to {MAX_TAPS}, but is {entry!r} instead.")
    return int(digits)


def require_one_of(flag: str, value: object, choices: Sequence[str]) -> None:
    """Raise ValueError unless the value is one of the choices."""
    if value not in choices:
        listed = " or ".join((", ".join(choices[:-1]), choices[-1]))
        raise ValueError(f"{flag} must be {listed}, but is {value!r} instead.")
