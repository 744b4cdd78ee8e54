"""``--compile-layers``: every layer through ``torch.compile`` in training, uncompiled otherwise."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from fairseq.models.transformer import TransformerDecoderBase, TransformerEncoderBase
from torch import nn

_MAX_VARIANTS = 64


def compile_layer(layer: nn.Module, **options: Any) -> None:
    """Have a layer compiled at its first call, once for all lengths and sizes of batches.

    Layer by layer, so that equal layers share one compilation. Names of parameters stay as they
    are, and a copy of the layer, as for an average of weights, is not compiled. ``options`` are
    those of ``torch.compile``.
    """
    # With padding and without, short and long, one sentence and several, and layers that differ are
    # compiled separately; beyond the limit torch would fall back to eager mode.
    torch._dynamo.config.recompile_limit = max(_MAX_VARIANTS, torch._dynamo.config.recompile_limit)
    layer.compile(dynamic=True, **options)


def eager_unless_training(
    side: TransformerEncoderBase | TransformerDecoderBase,
) -> AbstractContextManager[object]:
    """Return a context in which compiled layers run eagerly, unless ``side`` is being trained.

    A search changes shapes and caches at every step, and each would be compiled again. Without the
    flag the context does nothing: what a caller has compiled stays compiled.

    Args:
        side: encoder or decoder.
    """
    if side.training or not side.cfg.compile_layers:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")
