"""--compile-layers: every layer through ``torch.compile`` in training, as it stands otherwise."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from fairseq.models.transformer import TransformerDecoderBase, TransformerEncoderBase
from torch import nn

_VARIANTS = 64


def compile_layer(layer: nn.Module, **options: Any) -> None:
    """Have a layer compiled at its first call, once for all lengths and sizes of batches.

    Layer by layer, as equal ones then share what is compiled. Names of parameters stay as they are,
    and a copy of the layer, as for an average of weights, is not compiled. ``options`` are those of
    ``torch.compile``.
    """
    # Padding or none, short or long, one sentence or several, and layers that differ: each is
    # compiled by itself, and beyond the limit torch would go back to the slow way.
    torch._dynamo.config.recompile_limit = max(_VARIANTS, torch._dynamo.config.recompile_limit)
    layer.compile(dynamic=True, **options)


def only_in_training(
    side: TransformerEncoderBase | TransformerDecoderBase,
) -> AbstractContextManager[object]:
    """Return a context in which what the flag compiles is not, unless ``side`` is being trained.

    A search changes shapes and caches at every step, which would be compiled over and over again.
    Without the flag, what a caller has compiled is the caller's.

    Args:
        side: encoder or decoder.
    """
    if side.training or not side.cfg.compile_layers:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")
