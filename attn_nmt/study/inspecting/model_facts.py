"""What the model is that is looked at: its checkpoint, its mechanisms, its flags."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from fairseq.models import ARCH_MODEL_INV_REGISTRY

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.study.describe import describe
from attn_nmt.study.flags import MODEL, MODEL_FIELDS

NAMES = {
    "self_attn": "terms of self-attention",
    "cross_attn": "terms of encoder-decoder attention",
    "type": "self-attention type",
    "span": "span",
    "kernel_size": "kernel size",
    "deformable_kernel_size": "deformable kernel size",
    "context_broadcast": "context broadcasting",
}
"""What :func:`attn_nmt.study.describe.describe` says, in words."""


def model_facts(checkpoint: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the model of a checkpoint is, and its flags with their values.

    Raises:
        UsageError: if it is not a model of this package.
    """
    model = _model_settings(checkpoint)
    arch = getattr(model, "arch", None) or getattr(model, "_name", None)
    if arch not in (MODEL, *ARCH_MODEL_INV_REGISTRY[MODEL]):
        raise UsageError(
            f"CHECKPOINT must hold a model of this package, but {checkpoint} holds {arch!r}."
        )
    config = AttnTransformerConfig.from_mapping(model)
    told = describe(config)
    facts = {"checkpoint": str(checkpoint), "arch": str(arch)}
    facts |= {name: str(told[key]) for key, name in NAMES.items() if told[key]}
    flags = {"--" + name.replace("_", "-"): getattr(config, name) for name in MODEL_FIELDS}
    return facts, {flag: str(value) for flag, value in flags.items() if value is not None}


def _model_settings(checkpoint: Path) -> Namespace:
    """Return the model's part of what fairseq-train or fairseq-hydra-train wrote."""
    model = load_checkpoint(checkpoint)["cfg"]["model"]
    return model if isinstance(model, Namespace) else Namespace(**model)
