"""The flags of the models on a command of the study, on top of an --arch or of a grid."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from fairseq.dataclass.utils import gen_parser_from_dataclass

from attn_nmt.command_line import UsageError
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.study.grids.settings import MODEL_FIELDS, Cell


def add_model_flags(parser: ArgumentParser) -> None:
    """Offer every flag of the models; what is left out stays None, or False for a switch."""
    group = parser.add_argument_group("model flags, on top of each model")
    gen_parser_from_dataclass(group, AttnTransformerConfig(), delete_default=True)


def given_flags(options: Namespace) -> dict[str, Any]:
    """Return the fields that were given on the command line."""
    given = {name: getattr(options, name) for name in MODEL_FIELDS}
    return {
        name: value for name, value in given.items() if value is not None and value is not False
    }


def on_top(cell: Cell, flags: dict[str, Any]) -> dict[str, Any]:
    """Return the flags of a cell together with those given.

    Raises:
        UsageError: if one of those given would undo what the grid varies or fixes.
    """
    for name, value in flags.items():
        if name in cell.flags:
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"{flag} must be left out where the grid sets it, but is {value!r}.")
    return {**cell.flags, **flags}
