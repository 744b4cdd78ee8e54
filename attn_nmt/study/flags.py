"""The models' flags: on a command line, as a configuration, and described in words."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_INV_REGISTRY

from attn_nmt.command_line import UsageError, shown
from attn_nmt.models.architectures import SIZES
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.mechanisms import SIDES, LayerConfig
from attn_nmt.study.tables import Row

MODEL = "attn_transformer"
MODEL_FIELDS = tuple(f.name for f in fields(AttnTransformerConfig) if f.name != "_name")


def add_model_flags(parser: ArgumentParser) -> None:
    """Add every flag of the models; one that is not given stays None, or False for a switch."""
    group = parser.add_argument_group("model flags, added to those of each model")
    gen_parser_from_dataclass(group, AttnTransformerConfig(), delete_default=True)


def explicit_flags(options: Namespace) -> dict[str, Any]:
    """Return the model flags that were given on the command line, by field name."""
    values = {name: getattr(options, name) for name in MODEL_FIELDS}
    return {
        name: value for name, value in values.items() if value is not None and value is not False
    }


def merge_flags(grid_flags: Mapping[str, Any], extra_flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags that a grid sets together with those of the command line.

    Raises:
        UsageError: if a flag of the command line would override one that the grid sets.
    """
    for name, value in extra_flags.items():
        if name in grid_flags:
            raise UsageError(
                f"{_flag(name)} must be left out where the grid sets it, but is {value!r}."
            )
    return {**grid_flags, **extra_flags}


def as_command_line(flags: Mapping[str, Any]) -> list[str]:
    """Return fields as flags of fairseq-train, without those that are False or None."""
    words: list[str] = []
    for name, value in flags.items():
        if value is True:
            words.append(_flag(name))
        elif value is not None and value is not False:
            words += [_flag(name), str(value)]
    return words


def arch_of_size(size: str) -> str:
    """Return the --arch to which the flags of a grid are added.

    Raises:
        UsageError: if there is no such size.
    """
    require_known("--size", size, SIZES)
    return f"{MODEL}_{size}"


def read_config(arch: str, flags: Mapping[str, Any]) -> AttnTransformerConfig:
    """Return the configuration that fairseq-train would build from ``--arch`` and flags.

    Raises:
        UsageError: if there is no such arch, or a flag breaks its rule.
    """
    # fairseq lists the bare model name among the archs; it stands for Transformer-base.
    require_known("--arch", arch, ARCH_MODEL_INV_REGISTRY[MODEL])
    args = Namespace(**flags)
    ARCH_CONFIG_REGISTRY[arch](args)
    try:
        return AttnTransformerConfig.from_mapping(args)
    except ValueError as error:
        raise UsageError(str(error)) from error


def require_known(flag: str, value: str, known: Iterable[str]) -> None:
    """Raise UsageError, with the nearest known name, unless ``value`` is known."""
    choices = list(known)
    if value in choices:
        return
    nearest = get_close_matches(value, choices, n=1, cutoff=0.0)
    listed = f"one of {', '.join(choices)}" if len(choices) < 10 else "a known name"
    raise UsageError(
        f"{flag} must be {listed}, but is {shown(value)}; the nearest is {nearest[0]!r}."
    )


def one_of(flag: str, choices: tuple[str, ...]) -> Callable[[str], str]:
    """Return a ``type=`` for argparse that accepts ``choices`` and otherwise raises UsageError."""

    def read(text: str) -> str:
        require_known(flag, text, choices)
        return text

    return read


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


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
