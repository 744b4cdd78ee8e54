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
import os
from argparse import Namespace
from dataclasses import fields
from pathlib import Path
from typing import Any

from fairseq.criterions import CRITERION_DATACLASS_REGISTRY
from fairseq.dataclass.configs import FairseqConfig
from fairseq.models import ARCH_MODEL_REGISTRY
from fairseq.models.lightconv import LightConvModel
from fairseq.models.transformer import TransformerModel
from fairseq.tasks.translation import TranslationConfig

from attn_nmt.checkpoints.model_size import check_model_size
from attn_nmt.checkpoints.rules import (
    Schema,
    checked_values,
    dataclass_schema,
    described,
    is_section,
    mapping,
    parser_schema,
    plain,
    transformer_schema,
)
from attn_nmt.command_line import UsageError
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
            state["cfg"] = _check_config(plain(cfg))
            if state["cfg"].get("model") is not None:
                check_model_size(state["cfg"]["model"], state["model"])
        elif args is not None:
            state["args"] = _check_args(plain(args))
            check_model_size(state["args"], state["model"])
    except ValueError as error:
        raise UsageError(
            f"{path} must hold the settings of a translation model: {error}. "
            f"({TRUST}=1 loads it unchecked, which can run somebody else's code.)"
        ) from None


def _check_config(cfg: Any) -> dict[str, Any]:
    """Check the nested settings, which fairseq has written since 0.10."""
    if not isinstance(cfg, dict):
        raise ValueError(f"`cfg` must be a mapping, but is {described(cfg)}")
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
        elif is_section(sections[name]):
            checked[name] = checked_values(section, dataclass_schema(sections[name]), name)
        elif name == "criterion":
            checked[name] = _check_criterion(section)
        else:
            checked[name] = section if name in _ONLY_RECORDED else None
    return checked


def _check_args(args: Any) -> Namespace:
    """Check the flat settings of fairseq before 0.10."""
    if not isinstance(args, Namespace):
        raise ValueError(f"`args` must be a namespace, but is {described(args)}")
    values = vars(args)
    schema: Schema = {}
    for field in fields(FairseqConfig):
        kind: Any = field.type
        if is_section(kind):
            schema |= dataclass_schema(kind)
    name = values.get("arch")
    schema |= dataclass_schema(TranslationConfig) | _model_schema(name)
    task = values.get("task", _TASK)
    if task != _TASK:
        raise ValueError(f"`task` must be {_TASK}, but is {described(task)}")
    # fairseq makes text of them, which it parses again.
    for key, value in values.items():
        if isinstance(value, str) and any(mark in value for mark in "'\"\\$"):
            raise ValueError(f"`{key}` must have no quotes and no $, but is {described(value)}")
    return Namespace(**checked_values(values, schema, "args"), arch=name, task=task)


def _check_task(section: Any) -> dict[str, Any]:
    values = mapping(section, "task")
    if values.get("_name", _TASK) != _TASK:
        raise ValueError(f"`task` must be {_TASK}, but is {described(values['_name'])}")
    return {**checked_values(section, dataclass_schema(TranslationConfig), "task"), "_name": _TASK}


def _check_criterion(section: Any) -> dict[str, Any] | None:
    """Check the settings of a loss that evaluates none of them; return None for any other."""
    values = mapping(section, "criterion")
    name = values.get("_name", values.get("criterion"))
    if name not in _CRITERIA:
        logger.warning("dropped the criterion %s of a checkpoint", described(name))
        return None
    schema = dataclass_schema(CRITERION_DATACLASS_REGISTRY[name])
    return {**checked_values(section, schema, "criterion"), "_name": name}


def _check_model(section: Any) -> dict[str, Any] | Namespace:
    """Check the settings of the model: a namespace where its class declares no dataclass."""
    values = mapping(section, "model")
    name = values.get("_name") or values.get("arch")
    checked = {**checked_values(section, _model_schema(name), "model"), "_name": name}
    if ARCH_MODEL_REGISTRY[name] is AttnTransformerModel:
        # fairseq overrides only what is there, and the file may be older than a flag.
        checked = {**AttnTransformerConfig.defaults(), **checked}
    return Namespace(**checked, arch=name) if isinstance(section, Namespace) else checked


def _model_schema(name: Any) -> Schema:
    model = ARCH_MODEL_REGISTRY.get(name) if isinstance(name, str) else None
    # Not a subclass of one: fairseq's read further settings.
    if model not in _MODELS:
        raise ValueError(
            "the model must be one of this package, or fairseq's transformer or lightconv, but is "
            f"{described(name)}"
        )
    if model is AttnTransformerModel:
        return dataclass_schema(AttnTransformerConfig)
    own = transformer_schema() if model is TransformerModel else parser_schema(model)
    # fairseq's models also read the lengths, which are settings of the task.
    return dataclass_schema(TranslationConfig) | own
