"""Reading one setting for all layers, or a comma list with one entry a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from attn_nmt.terms import AttentionTerms

Entry = TypeVar("Entry")


def per_layer(flag: str, text: str, layers: int, read: Callable[[str, str], Entry]) -> list[Entry]:
    """Return the entry of each layer; ``read`` takes the flag and one entry.

    Raises:
        ValueError: naming the flag, the rule and the value found.
    """
    entries = text.split(",")
    if len(entries) not in (1, layers):
        raise ValueError(
            f"{flag} must have one entry, or one for each of the {layers} layers, "
            f"but {text!r} has {len(entries)} instead."
        )
    found = [read(flag, entry) for entry in entries]
    return found * layers if len(found) == 1 else found


def read_terms(flag: str, entry: str, choice: str = "") -> str:
    """Return four bits as they are, or raise ValueError."""
    if not AttentionTerms.is_valid(entry):
        raise ValueError(
            f"{flag} must be four bits, each 0 or 1{choice}, but is {entry!r} instead."
        )
    return entry


def read_terms_or_none(flag: str, entry: str) -> str:
    """Return four bits or "none", or raise ValueError."""
    return entry if entry == "none" else read_terms(flag, entry, ", or none")


def read_size(flag: str, entry: str) -> int:
    """Return a positive number, or raise ValueError."""
    if not entry.strip().isdecimal() or int(entry) < 1:
        raise ValueError(f"{flag} must be a positive number, but is {entry!r} instead.")
    return int(entry)


def one_of(flag: str, value: object, choices: Sequence[str]) -> None:
    """Raise ValueError unless the value is one of the choices."""
    if value not in choices:
        listed = " or ".join((", ".join(choices[:-1]), choices[-1]))
        raise ValueError(f"{flag} must be {listed}, but is {value!r} instead.")
