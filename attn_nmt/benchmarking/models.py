"""Our models, and fairseq's own of the same widths, built as fairseq builds them."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, field
from typing import Any

from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY, build_model
from omegaconf import OmegaConf

import attn_nmt.models  # noqa: F401  registers the architectures
from attn_nmt.benchmarking.measures import device
from attn_nmt.models.config import AttnTransformerConfig

BASELINES: dict[str, dict[str, Any]] = {
    "transformer": {},
    "lightconv": {
        "encoder_conv_type": "dynamic",
        "decoder_conv_type": "dynamic",
        "weight_softmax": True,
        "encoder_kernel_size_list": [31],
        "decoder_kernel_size_list": [31],
    },
}
"""fairseq's archs that ours are compared with, and the flags that they need beside the widths."""
_MAX_POSITIONS = {"max_source_positions": 8192, "max_target_positions": 8192}
SHARED_FIELDS = (
    "dropout",
    *(
        f"{side}_{name}"
        for side in ("encoder", "decoder")
        for name in ("layers", "embed_dim", "ffn_embed_dim", "attention_heads")
    ),
)


@dataclass(frozen=True)
class Model:
    """An arch of ours with flags, or one of fairseq's with the widths of ``like``."""

    arch: str
    flags: dict[str, Any] = field(default_factory=dict)
    like: str | None = None

    def baseline(self, arch: str) -> Model:
        """Return fairseq's arch of the same widths."""
        return Model(arch, self.flags, self.arch)

    def widths(self) -> dict[str, Any]:
        """Return what fairseq's arch of the same widths is built with."""
        values = _values(self)
        return {name: values[name] for name in SHARED_FIELDS}


def dictionary(size: int) -> Dictionary:
    """Return a dictionary of that many symbols, including the four special ones."""
    words = Dictionary()
    for number in range(size - len(words)):
        words.add_symbol(str(number))
    return words


def build_on_cpu(model: Model, words: Dictionary) -> Any:
    """Build a model with shared embeddings, in float32."""
    task = Namespace(source_dictionary=words, target_dictionary=words, cfg=Namespace())
    return _build(model, task)


def build(model: Model, words: Dictionary) -> Any:
    """Build a model with shared embeddings on the device, in bfloat16 on a GPU."""
    built = build_on_cpu(model, words)
    if device().type == "cuda":
        built = built.bfloat16()
    return built.to(device())


def _build(model: Model, task: Namespace) -> Any:
    if model.like is None:
        return build_model(OmegaConf.create(_values(model)), task)
    args = Namespace(
        share_all_embeddings=True, **_MAX_POSITIONS, **model.widths(), **BASELINES[model.arch]
    )
    ARCH_CONFIG_REGISTRY[model.arch](args)
    return ARCH_MODEL_REGISTRY[model.arch].build_model(args, task)


def _values(model: Model) -> dict[str, Any]:
    """Return every field of the configuration of our arch, with its flags."""
    flags = Namespace(**{"share_all_embeddings": True, **_MAX_POSITIONS, **model.flags})
    ARCH_CONFIG_REGISTRY[model.like or model.arch](flags)
    return {**vars(AttnTransformerConfig()), **vars(flags), "_name": model.arch}
