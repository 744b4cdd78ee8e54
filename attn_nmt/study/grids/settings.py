"""A model by its flags alone: what a cell of a grid is, and the configuration it stands for."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_INV_REGISTRY

from attn_nmt.command_line import UsageError
from attn_nmt.models.architectures import SIZES
from attn_nmt.models.config import AttnTransformerConfig

MODEL = "attn_transformer"
MODEL_FIELDS = tuple(f.name for f in fields(AttnTransformerConfig) if f.name != "_name")


@dataclass(frozen=True)
class Cell:
    """One model of a grid."""

    name: str
    """Unique in its grid, and fit for a folder."""
    flags: dict[str, Any] = field(default_factory=dict)
    """Fields of :class:`AttnTransformerConfig` on top of ``--arch attn_transformer_SIZE``."""
    compared_to: str | None = None
    """The cell that the paper sets it against."""


def arch_of_size(size: str) -> str:
    """Return the --arch that the flags of a cell come on top of.

    Raises:
        UsageError: if there is no such size.
    """
    require_known("--size", size, SIZES)
    return f"{MODEL}_{size}"


def read_config(arch: str, flags: dict[str, Any]) -> AttnTransformerConfig:
    """Return the configuration of ``--arch`` with flags on top, as fairseq-train would read it.

    Raises:
        UsageError: if there is no such arch, or a flag breaks its rule.
    """
    # fairseq counts the bare name of the model among the archs; it means Transformer-base.
    require_known("--arch", arch, ARCH_MODEL_INV_REGISTRY[MODEL])
    filled = Namespace(**flags)
    ARCH_CONFIG_REGISTRY[arch](filled)
    try:
        return AttnTransformerConfig.from_mapping(filled)
    except ValueError as error:
        raise UsageError(str(error)) from error


def require_known(flag: str, value: str, known: Iterable[str]) -> None:
    """Raise UsageError unless ``value`` is known, with the nearest known one."""
    choices = list(known)
    if value in choices:
        return
    near = get_close_matches(value, choices, n=1, cutoff=0.0)
    listed = f"one of {', '.join(choices)}" if len(choices) < 10 else "a known name"
    raise UsageError(f"{flag} must be {listed}, but is {value!r}; the nearest is {near[0]!r}.")


def one_of(flag: str, choices: tuple[str, ...]) -> Callable[[str], str]:
    """Return what reads the value of ``flag`` for ``type=``, and raises UsageError."""

    def read(text: str) -> str:
        require_known(flag, text, choices)
        return text

    return read


def as_command_line(flags: dict[str, Any]) -> list[str]:
    """Return fields as flags of fairseq-train; those that are switched off or None are left out."""
    words: list[str] = []
    for name, value in flags.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            words.append(flag)
        elif value is not None and value is not False:
            words += [flag, str(value)]
    return words
