"""The settings in a checkpoint, checked before fairseq reads them.

fairseq calls ``eval`` on some settings that are strings, builds a model of whatever size they ask
for, and prefers ``args`` to ``cfg``. So a checkpoint may name this package's models or fairseq's
Transformer and lightweight convolution, and the translation task; each setting must have the type
that fairseq declares for it, and the model the shapes of the tensors in the file. Settings that
fairseq does not declare are dropped, and so are the tokenizer and other parts that are chosen by
name and that fairseq would build, except a loss whose settings are not evaluated.
"""

from __future__ import annotations

import logging
import math
import os
from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Union, get_args, get_origin

import torch
from fairseq.criterions import CRITERION_DATACLASS_REGISTRY
from fairseq.data import Dictionary
from fairseq.dataclass.configs import FairseqConfig
from fairseq.models import ARCH_MODEL_REGISTRY
from fairseq.models.lightconv import LightConvModel
from fairseq.models.transformer import TransformerConfig, TransformerModel
from fairseq.tasks.translation import TranslationConfig
from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import Tensor
from torch.overrides import TorchFunctionMode

from attn_nmt.command_line import UsageError, shown
from attn_nmt.models.attn_transformer import AttnTransformerModel
from attn_nmt.models.config import AttnTransformerConfig

logger = logging.getLogger(__name__)

TRUST = "ATTN_NMT_TRUST_CHECKPOINTS"
"""Environment variable; 1 skips these checks: the settings of a checkpoint can then run code."""

_MODELS = (AttnTransformerModel, TransformerModel, LightConvModel)
_TASK = "translation"
# Every command takes these from its own command line.
_ONLY_RECORDED = ("optimizer", "lr_scheduler")
# fairseq-validate builds the criterion that the checkpoint names.
_CRITERIA = (
    "cross_entropy",
    "label_smoothed_cross_entropy",
    "label_smoothed_cross_entropy_with_alignment",
    "label_smoothed_cross_entropy_with_rdrop",
)
# fairseq evaluates the first; the others name files to read, whose content the weights replace.
_UNUSED = ("xformers_att_config", "embed_path")
_MAX_VALUES, _MAX_DEPTH, _MAX_TEXT = 10_000, 8, 10_000
_MAX_POSITIONS, _MAX_NUMBER = 1 << 17, 1 << 53
_MAX_PROBLEM = 300
_MIN_TENSOR = 10_000


class Rule(NamedTuple):
    """What a setting must be; None is always allowed, and leaves it to fairseq's default."""

    text: str
    accepts: Callable[[Any], bool]
    default: Any = None


Schema = dict[str, Rule]


def check_settings(path: Path, state: dict[str, Any]) -> None:
    """Replace ``cfg`` or ``args`` of a checkpoint by a checked copy.

    Raises:
        UsageError: naming the setting, the rule and the value found.
    """
    if os.environ.get(TRUST) == "1":
        return
    args, cfg = state.get("args"), state.get("cfg")
    try:
        if args is not None and cfg is not None:
            raise ValueError("`args` and `cfg` must not both be there, but are")
        if cfg is not None:
            state["cfg"] = _check_config(_plain(cfg))
            if state["cfg"].get("model") is not None:
                _check_size(state["cfg"]["model"], state["model"])
        elif args is not None:
            state["args"] = _check_args(_plain(args))
            _check_size(state["args"], state["model"])
    except ValueError as error:
        raise UsageError(
            f"{path} must hold the settings of a translation model: {error}. "
            f"({TRUST}=1 loads it unchecked, which can run somebody else's code.)"
        ) from None


def _check_config(cfg: Any) -> dict[str, Any]:
    """Check the nested settings, which fairseq has written since 0.10."""
    if not isinstance(cfg, dict):
        raise ValueError(f"`cfg` must be a mapping, but is {_shown(cfg)}")
    sections: dict[str, Any] = {field.name: field.type for field in fields(FairseqConfig)}
    checked: dict[str, Any] = {}
    for name, section in cfg.items():
        if section is None or name == "_name":
            checked[name] = None
        elif name == "model":
            checked[name] = _check_model(section)
        elif name == "task":
            checked[name] = _check_task(section)
        elif name not in sections:
            logger.warning("dropped %r, which fairseq does not know, of a checkpoint", name)
        elif _is_section(sections[name]):
            checked[name] = _check(section, _dataclass_schema(sections[name]), name)
        elif name == "criterion":
            checked[name] = _check_criterion(section)
        else:
            checked[name] = section if name in _ONLY_RECORDED else None
    return checked


def _check_args(args: Any) -> Namespace:
    """Check the flat settings of fairseq before 0.10."""
    if not isinstance(args, Namespace):
        raise ValueError(f"`args` must be a namespace, but is {_shown(args)}")
    values = vars(args)
    schema: Schema = {}
    for field in fields(FairseqConfig):
        kind: Any = field.type
        if _is_section(kind):
            schema |= _dataclass_schema(kind)
    name = values.get("arch")
    schema |= _dataclass_schema(TranslationConfig) | _model_schema(name)
    task = values.get("task", _TASK)
    if task != _TASK:
        raise ValueError(f"`task` must be {_TASK}, but is {_shown(task)}")
    # fairseq makes text of them, which it parses again.
    for key, value in values.items():
        if isinstance(value, str) and any(mark in value for mark in "'\"\\$"):
            raise ValueError(f"`{key}` must have no quotes and no $, but is {_shown(value)}")
    return Namespace(**_check(values, schema, "args"), arch=name, task=task)


def _check_task(section: Any) -> dict[str, Any]:
    values = _values(section, "task")
    if values.get("_name", _TASK) != _TASK:
        raise ValueError(f"`task` must be {_TASK}, but is {_shown(values['_name'])}")
    return {**_check(section, _dataclass_schema(TranslationConfig), "task"), "_name": _TASK}


def _check_criterion(section: Any) -> dict[str, Any] | None:
    """Check the settings of a loss that evaluates none of them; return None for any other."""
    values = _values(section, "criterion")
    name = values.get("_name", values.get("criterion"))
    if name not in _CRITERIA:
        logger.warning("dropped the criterion %s of a checkpoint", _shown(name))
        return None
    schema = _dataclass_schema(CRITERION_DATACLASS_REGISTRY[name])
    return {**_check(section, schema, "criterion"), "_name": name}


def _check_model(section: Any) -> dict[str, Any] | Namespace:
    """Check the settings of the model: a namespace where its class declares no dataclass."""
    values = _values(section, "model")
    name = values.get("_name") or values.get("arch")
    checked = {**_check(section, _model_schema(name), "model"), "_name": name}
    if ARCH_MODEL_REGISTRY[name] is AttnTransformerModel:
        # fairseq overrides only what is there, and the file may be older than a flag.
        checked = {**_defaults(), **checked}
    return Namespace(**checked, arch=name) if isinstance(section, Namespace) else checked


def _check(values: Any, schema: Schema, section: str) -> dict[str, Any]:
    """Return the settings that the schema knows, each of its type."""
    checked: dict[str, Any] = {}
    unknown = []
    for name, value in _values(values, section).items():
        if name in ("_name", "arch", "task"):
            continue
        if name not in schema:
            unknown.append(name)
        elif name.endswith(_UNUSED):
            checked[name] = None
            if value is not None:
                raise ValueError(f"`{name}` must be left out, but is {_shown(value)}")
        elif value is None or value == schema[name].default or schema[name].accepts(value):
            checked[name] = value
        else:
            raise ValueError(f"`{name}` must be {schema[name].text}, but is {_shown(value)}")
    # A namespace holds the flags of everything else, too.
    if unknown and not isinstance(values, Namespace) and section != "args":
        logger.warning("dropped settings that fairseq does not know: %s", ", ".join(unknown))
    return checked


def _values(section: Any, name: str) -> dict[str, Any]:
    values = vars(section) if isinstance(section, Namespace) else section
    if not isinstance(values, dict):
        raise ValueError(f"`{name}` must be a mapping, but is {_shown(section)}")
    return values


def _model_schema(name: Any) -> Schema:
    model = ARCH_MODEL_REGISTRY.get(name) if isinstance(name, str) else None
    # Not a subclass of one: fairseq's read further settings.
    if model not in _MODELS:
        raise ValueError(
            "the model must be one of this package, or fairseq's transformer or lightconv, but is "
            f"{_shown(name)}"
        )
    if model is AttnTransformerModel:
        return _dataclass_schema(AttnTransformerConfig)
    own = _transformer_schema() if model is TransformerModel else _parser_schema(model)
    # fairseq's models also read the lengths, which are settings of the task.
    return _dataclass_schema(TranslationConfig) | own


def _is_section(kind: Any) -> bool:
    return is_dataclass(kind)


@cache
def _dataclass_schema(kind: Any) -> Schema:
    return {field.name: _rule(field.type)._replace(default=field.default) for field in fields(kind)}


@cache
def _transformer_schema() -> Schema:
    """Return the flat form of fairseq's nested settings: ``encoder.layers`` -> encoder_layers."""
    flat: Schema = {}
    for field in fields(TransformerConfig):
        kind: Any = field.type
        if _is_section(kind):
            nested = _dataclass_schema(kind)
            flat |= {f"{field.name}_{name}": rule for name, rule in nested.items()}
    return _dataclass_schema(TransformerConfig) | flat


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
def _parser_schema(model: Any) -> Schema:
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


def _plain(settings: Any) -> Any:
    """Return settings as mappings, namespaces and lists; as many as a training can have.

    OmegaConf's own conversion takes exponential time where containers are shared, and follows
    references.
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
            f"they must be text, numbers, lists and mappings, but hold {_shown(value)}"
        )

    return convert(settings, 0)


def _shown(value: Any) -> str:
    is_short = value is None or isinstance(value, (str, bool, int, float))
    return shown(value) if is_short else f"a {type(value).__name__}"


class _Symbols(Dictionary):  # type: ignore[misc]
    """A dictionary of which only the size counts."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Symbols) and self.size == other.size

    __hash__ = None  # type: ignore[assignment]


class _WithoutDraws(TorchFunctionMode):
    """Leave out the random numbers of new parameters: on "meta" they import torch.compile."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _check_size(settings: dict[str, Any] | Namespace, model: dict[str, Tensor]) -> None:
    """Require the settings to describe the tensors in the file, before memory is used for them.

    The model is built without memory, on PyTorch's "meta" device. Layers are counted first.
    """
    values = _values(settings, "model")
    tables = {}
    for side in ("encoder", "decoder"):
        name, prefix = f"{side}_layers", f"{side}.layers."
        layers = {key.split(".")[2] for key in model if key.startswith(prefix)}
        if values.get(name, len(layers)) != len(layers):
            raise ValueError(
                f"`{name}` must be {len(layers)}, as many as there are in the file, but is "
                f"{_shown(values[name])}"
            )
        tables[side] = model.get(f"{side}.embed_tokens.weight")
    for name in ("max_source_positions", "max_target_positions"):
        if (values.get(name) or 0) > _MAX_POSITIONS:
            raise ValueError(f"`{name}` must be at most {_MAX_POSITIONS}, but is {values[name]}")
    sizes = [0 if table is None or table.dim() != 2 else len(table) for table in tables.values()]
    source, target = map(_Symbols, sizes)
    task = Namespace(source_dictionary=source, target_dictionary=target, cfg=Namespace())
    name = values.get("_name") or values["arch"]
    described: Any = Namespace(**values)
    if not isinstance(settings, Namespace):
        off = {"compile_layers": False, "checkpoint_activations": False}
        described = OmegaConf.create({**_defaults(), **values, **off})
    try:
        with torch.device("meta"), _WithoutDraws():
            built = ARCH_MODEL_REGISTRY[name].build_model(described, task)
    except Exception as error:  # whatever impossible settings provoke in fairseq
        raise ValueError(
            f"a model must be built from them, but: {str(error)[:_MAX_PROBLEM]}"
        ) from None
    for name, tensor in built.state_dict().items():
        found = model.get(name)
        if found is not None and found.shape != tensor.shape:
            raise ValueError(
                f"{name} must be {tuple(tensor.shape)}, as they say, but is {tuple(found.shape)}"
            )
        if found is None and tensor.numel() > _MIN_TENSOR:
            raise ValueError(f"{name} must be in the file, as they say, but is not")


def _defaults() -> dict[str, Any]:
    return {field.name: field.default for field in fields(AttnTransformerConfig)}
