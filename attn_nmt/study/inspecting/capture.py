"""What is inspected: which model, the sentence as its tokens, and the inputs of every sublayer."""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from fairseq.models import ARCH_MODEL_INV_REGISTRY
from torch import Tensor, nn

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.hub import Translator
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.mechanisms import Mechanism
from attn_nmt.study.flags import MODEL, MODEL_FIELDS, describe

_DESCRIBED = {
    "self_attn": "terms of self-attention",
    "cross_attn": "terms of encoder-decoder attention",
    "type": "self-attention type",
    "span": "span",
    "kernel_size": "kernel size",
    "deformable_kernel_size": "deformable kernel size",
    "context_broadcast": "context broadcasting",
}
"""What :func:`attn_nmt.study.flags.describe` returns, in words."""

SUBLAYERS = {
    "encoder": ("deformable", "self_attn", "context_broadcast"),
    "decoder": ("deformable", "self_attn", "encoder_attn", "context_broadcast"),
}
"""The attributes of a layer that mix positions, in the order in which they are applied."""


def model_facts(checkpoint: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the model of a checkpoint is, and its flags with their values.

    Raises:
        UsageError: if it is not a model of this package.
    """
    model = load_checkpoint(checkpoint)["cfg"]["model"]
    # fairseq-train writes a namespace, fairseq-hydra-train a mapping.
    settings = model if isinstance(model, Namespace) else Namespace(**model)
    arch = getattr(settings, "arch", None) or getattr(settings, "_name", None)
    if arch not in (MODEL, *ARCH_MODEL_INV_REGISTRY[MODEL]):
        raise UsageError(
            f"CHECKPOINT must hold a model of this package, but {checkpoint} holds {arch!r}."
        )
    config = AttnTransformerConfig.from_mapping(settings)
    description = describe(config)
    facts = {"checkpoint": str(checkpoint), "arch": str(arch)}
    facts |= {name: str(description[key]) for key, name in _DESCRIBED.items() if description[key]}
    flags = {"--" + name.replace("_", "-"): getattr(config, name) for name in MODEL_FIELDS}
    return facts, {flag: str(value) for flag, value in flags.items() if value is not None}


@dataclass(frozen=True)
class Sentence:
    """A sentence and its translation; both end in </s>.

    Shape:
        - source: (S); target: (T)
    """

    text: str
    translation: str
    is_given: bool
    """True if the translation was given, False if the model found it."""
    source: Tensor
    target: Tensor
    source_tokens: list[str]
    target_tokens: list[str]
    """What the decoder is to predict at each position."""

    @property
    def input_tokens(self) -> list[str]:
        """What the decoder reads at each position: </s>, then the tokens predicted before."""
        return [*self.target_tokens[-1:], *self.target_tokens[:-1]]


def read_sentence(translator: Translator, text: str, target: str | None = None) -> Sentence:
    """Return a sentence with the translation given, or else with that of the model's beam search.

    Raises:
        UsageError: if a text is empty, or longer than the model can take.
    """
    source = _encode(translator, "--text", text)
    if target is None:
        target_ids = translator.search(source)
        translation = translator.decode(target_ids)
    else:
        target_ids, translation = _encode(translator, "--target", target), target
    task = translator.task
    return Sentence(
        text=text,
        translation=translation,
        is_given=target is not None,
        source=source,
        target=target_ids,
        source_tokens=_symbols(task.source_dictionary, source),
        target_tokens=_symbols(task.target_dictionary, target_ids),
    )


def _encode(translator: Translator, flag: str, text: str) -> Tensor:
    if not text.strip():
        raise UsageError(f"{flag} must be a sentence, but is {text!r}.")
    try:
        return translator.encode(text, target=flag == "--target")
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from error


def _symbols(dictionary: Any, tokens: Tensor) -> list[str]:
    return [str(dictionary[token]) for token in tokens.tolist()]


@dataclass(frozen=True)
class Sublayer:
    """One sublayer, and the arguments of its call by their names."""

    side: str
    """"encoder" or "decoder"."""
    layer: int
    """Counted from 0, as in the names of parameters."""
    name: str
    """One of ``SUBLAYERS``."""
    module: nn.Module | None
    """None if the layer has no such sublayer, as is ``mechanism``."""
    mechanism: Mechanism | None
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The name of the module in the model."""
        return f"{self.side}.layers.{self.layer}.{self.name}"


@torch.no_grad()
def capture(model: Any, source: Tensor, target: Tensor) -> list[Sublayer]:
    """Run the model once with teacher forcing, and return its sublayers in their order.

    Shape:
        - source: (S); target: (T), with </s> at the end of both
    """
    places = [
        (side, number, name, getattr(layer, name), layer.config.mechanisms().get(name))
        for side, names in SUBLAYERS.items()
        for number, layer in enumerate(getattr(model, side).layers)
        for name in names
    ]
    inputs: dict[nn.Module | None, Mapping[str, Any]] = {None: {}}

    def record(module: nn.Module, args: Any, kwargs: Any) -> None:
        inputs[module] = inspect.signature(module.forward).bind(*args, **kwargs).arguments

    hooks = [
        module.register_forward_pre_hook(record, with_kwargs=True)
        for *_, module, _ in places
        if module is not None
    ]
    try:
        # The decoder reads </s>, then the target without its last token.
        prev_output_tokens = torch.cat((target[-1:], target[:-1]))
        model(source[None], torch.tensor([len(source)]), prev_output_tokens[None])
    finally:
        for hook in hooks:
            hook.remove()
    return [
        Sublayer(side, number, name, module, mechanism, inputs[module])
        for side, number, name, module, mechanism in places
    ]
