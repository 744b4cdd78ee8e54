"""Our models and fairseq's own of the same widths, built as fairseq builds them."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, field
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY, build_model
from omegaconf import OmegaConf

import attn_nmt.models  # noqa: F401  registers the architectures
from attn_nmt.models.config import AttnTransformerConfig

OTHERS: dict[str, dict[str, Any]] = {
    "transformer": {},
    "lightconv": {
        "encoder_conv_type": "dynamic",
        "decoder_conv_type": "dynamic",
        "weight_softmax": True,
        "encoder_kernel_size_list": [31],
        "decoder_kernel_size_list": [31],
    },
}
"""fairseq's archs to compare with, and what they need beside the widths."""
_LIMITS = {"max_source_positions": 8192, "max_target_positions": 8192}
_SAME = (
    "dropout",
    *(
        f"{side}_{name}"
        for side in ("encoder", "decoder")
        for name in ("layers", "embed_dim", "ffn_embed_dim", "attention_heads")
    ),
)


@dataclass(frozen=True)
class Model:
    """An arch of ours with flags on top; or one of fairseq's, of the widths of ``like``."""

    arch: str
    flags: dict[str, Any] = field(default_factory=dict)
    like: str | None = None

    def against(self, other: str) -> Model:
        """Return fairseq's arch of the same widths."""
        return Model(other, self.flags, self.arch)


def device() -> torch.device:
    """Return the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def dictionary(size: int) -> Dictionary:
    """Return one of that many symbols, the four special ones included."""
    words = Dictionary()
    for number in range(size - len(words)):
        words.add_symbol(str(number))
    return words


def build(model: Model, words: Dictionary) -> Any:
    """Build a model with shared embeddings, in bfloat16 on a GPU."""
    built = _build(
        model, Namespace(source_dictionary=words, target_dictionary=words, cfg=Namespace())
    )
    if device().type == "cuda":
        built = built.bfloat16()
    return built.to(device())


def _build(model: Model, task: Namespace) -> Any:
    flags = Namespace(share_all_embeddings=True, **_LIMITS, **model.flags)
    ARCH_CONFIG_REGISTRY[model.like or model.arch](flags)
    values = {**vars(AttnTransformerConfig()), **vars(flags), "_name": model.arch}
    if model.like is None:
        return build_model(OmegaConf.create(values), task)
    same = {name: values[name] for name in _SAME}
    other = Namespace(share_all_embeddings=True, **_LIMITS, **same, **OTHERS[model.arch])
    ARCH_CONFIG_REGISTRY[model.arch](other)
    return ARCH_MODEL_REGISTRY[model.arch].build_model(other, task)
