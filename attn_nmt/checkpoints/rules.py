"""What a setting in a checkpoint may be: plain values, each of the type that fairseq declares.

First plain mappings, lists, texts and numbers out of whatever containers the file has, then the
check of a section against its schema, the rules of all its settings; then the schemas, read from a
dataclass or, for older parts of fairseq, a command line, and the rule of each declared type.
"""

from __future__ import annotations

import logging
import math
from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, Union, get_args, get_origin

from fairseq.models.transformer import TransformerConfig
from omegaconf import DictConfig, ListConfig, OmegaConf

from attn_nmt.command_line import shown

logger = logging.getLogger(__name__)

# fairseq evaluates the first; the others name files to read, whose content the weights replace.
_UNUSED = ("xformers_att_config", "embed_path")
_MAX_VALUES, _MAX_DEPTH, _MAX_TEXT = 10_000, 8, 10_000
_MAX_NUMBER = 1 << 53


def plain(settings: Any) -> Any:
    """Return settings as mappings, namespaces and lists; as many as a training can have.

    OmegaConf's own conversion takes exponential time where containers are shared, and follows
    references.

    Raises:
        ValueError: if there are more, or other values than text and numbers.
    """
    remaining = _MAX_VALUES

    def convert(value: Any, depth: int) -> Any:
        nonlocal remaining
        remaining -= 1
        if remaining < 0 or depth > _MAX_DEPTH:
            raise ValueError(
                f"there must be at most {_MAX_VALUES} of them, nested {_MAX_DEPTH} deep, but are "
                "more"
            )
        if isinstance(value, (DictConfig, ListConfig)):
            value = value.__dict__.get("_content")
        elif OmegaConf.is_config(value) or hasattr(value, "_val"):
            value = value.__dict__.get("_val")
        if isinstance(value, Namespace):
            return Namespace(**convert(vars(value), depth))
        if isinstance(value, dict):
            if not all(isinstance(name, str) for name in value):
                raise ValueError("their names must be text, but are not")
            return {name: convert(entry, depth + 1) for name, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [convert(entry, depth + 1) for entry in value]
        if isinstance(value, Enum):
            value = value.value
        if isinstance(value, str) and len(value) > _MAX_TEXT:
            raise ValueError(f"a text must have at most {_MAX_TEXT} characters, but has more")
        if value is None or isinstance(value, (str, bool, int, float)):
            return value
        raise ValueError(
            f"they must be text, numbers, lists and mappings, but hold {described(value)}"
        )

    return convert(settings, 0)


def described(value: Any) -> str:
    """Return a value as a message shows it: text and numbers themselves, of all else the type."""
    is_short = value is None or isinstance(value, (str, bool, int, float))
    return shown(value) if is_short else f"a {type(value).__name__}"


def mapping(section: Any, name: str) -> dict[str, Any]:
    """Return the settings of a section, which may be a namespace.

    Raises:
        ValueError: naming the section if it is neither.
    """
    values = vars(section) if isinstance(section, Namespace) else section
    if not isinstance(values, dict):
        raise ValueError(f"`{name}` must be a mapping, but is {described(section)}")
    return values


class Rule(NamedTuple):
    """What a setting must be; None is always allowed, and leaves it to fairseq's default."""

    text: str
    accepts: Callable[[Any], bool]
    default: Any = None


Schema = dict[str, Rule]
"""The rule of each setting, by its name."""


def checked_values(values: Any, schema: Schema, section: str) -> dict[str, Any]:
    """Return the settings that the schema knows, each of its type.

    Raises:
        ValueError: naming the setting, the rule and the value found.
    """
    checked: dict[str, Any] = {}
    unknown = []
    for name, value in mapping(values, section).items():
        if name in ("_name", "arch", "task"):
            continue
        if name not in schema:
            unknown.append(name)
        elif name.endswith(_UNUSED):
            checked[name] = None
            if value is not None:
                raise ValueError(f"`{name}` must be left out, but is {described(value)}")
        elif value is None or value == schema[name].default or schema[name].accepts(value):
            checked[name] = value
        else:
            raise ValueError(f"`{name}` must be {schema[name].text}, but is {described(value)}")
    # A namespace holds the flags of everything else, too.
    if unknown and not isinstance(values, Namespace) and section != "args":
        logger.warning("dropped settings that fairseq does not know: %s", ", ".join(unknown))
    return checked


def is_section(kind: Any) -> bool:
    """Return whether the type of a field has fields of its own."""
    return is_dataclass(kind)


@cache
def dataclass_schema(kind: Any) -> Schema:
    """Return the rules of the fields of a dataclass."""
    return {field.name: _rule(field.type)._replace(default=field.default) for field in fields(kind)}


@cache
def transformer_schema() -> Schema:
    """Return the flat form of fairseq's nested settings: ``encoder.layers`` -> encoder_layers."""
    flat: Schema = {}
    for field in fields(TransformerConfig):
        kind: Any = field.type
        if is_section(kind):
            nested = dataclass_schema(kind)
            flat |= {f"{field.name}_{name}": rule for name, rule in nested.items()}
    return dataclass_schema(TransformerConfig) | flat


def _rule(hint: Any) -> Rule:
    """Return the rule of a declared type."""
    if get_origin(hint) is Union:
        return _rule(next(kind for kind in get_args(hint) if kind is not type(None)))
    if get_origin(hint) in (list, tuple):
        element = _rule(get_args(hint)[0])
        return _list_of(element)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _one_of([member.value for member in hint])
    return _RULES.get(hint, _ANY)


@cache
def parser_schema(model: Any) -> Schema:
    """Return the rules of a model without a dataclass, whose flags ``add_args`` declares."""
    parser = ArgumentParser(argument_default=SUPPRESS, conflict_handler="resolve")
    model.add_args(parser)
    return {action.dest: _action_rule(action) for action in parser._actions}


def _action_rule(action: Action) -> Rule:
    if action.choices is not None:
        return _one_of(list(action.choices))
    if action.nargs == 0:
        return _RULES[bool]
    # Other types are functions that evaluate a string, and fairseq's models evaluate what has no
    # type (adaptive_softmax_cutoff): text is never accepted.
    rule = _RULES.get(action.type, _EVALUATED)
    return _list_of(rule) if action.nargs not in (None, "?") else rule


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and abs(value) <= _MAX_NUMBER


_NUMBER = Rule("a finite number", _is_number)
_RULES: dict[Any, Rule] = {
    bool: Rule("true or false", lambda value: isinstance(value, bool)),
    int: Rule("a whole number", lambda value: isinstance(value, int) and _is_number(value)),
    float: _NUMBER,
    str: Rule("text without ${", lambda value: isinstance(value, str) and "${" not in value),
}


def _list_of(element: Rule) -> Rule:
    def accepts(value: Any) -> bool:
        return isinstance(value, (list, tuple)) and all(map(element.accepts, value))

    return Rule(f"a list, of which each is {element.text}", accepts)


def _one_of(choices: list[Any]) -> Rule:
    return Rule(f"one of {', '.join(map(str, choices))}", lambda value: value in choices)


_EVALUATED = Rule(
    "a number, true, false or a list of numbers",
    lambda value: isinstance(value, bool) or _is_number(value) or _list_of(_NUMBER).accepts(value),
)
_ANY = Rule("a number, text or a list", lambda value: not isinstance(value, (dict, Namespace)))
