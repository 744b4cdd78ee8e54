"""What ``--log-offsets`` writes: how far the taps of deformable convolutions move in training."""

from __future__ import annotations

import torch
from fairseq.logging import metrics
from torch import nn

from attn_nmt.modules import DeformableConv1d


class OffsetLog:
    """Collects the statistics of all deformable convolutions of a model for fairseq's log.

    fairseq prints them every ``--log-interval``, averaged over the updates since the last time:
    ``offset_mean`` and ``offset_max``, the mean and the largest absolute offset in tokens, and
    ``offset_outside``, the share of the taps' weight that falls outside the sentence or, in the
    decoder, on later tokens. Of several processes the first one's are shown.
    """

    def __init__(self, model: nn.Module) -> None:
        self._convolutions = [m for m in model.modules() if isinstance(m, DeformableConv1d)]
        for module in self._convolutions:
            module.records_statistics = True

    def write(self) -> None:
        """Pass on what the forward pass just made has left."""
        found = [m.statistics for m in self._convolutions if m.statistics is not None]
        for layer in found:
            metrics.log_scalar("offset_mean", layer.mean, layer.count, priority=500, round=4)
            metrics.log_scalar("offset_outside", layer.outside, layer.count, priority=502, round=4)
        if found:
            largest = torch.stack([layer.maximum for layer in found]).max()
            metrics.log_scalar("offset_max", largest, priority=501, round=4)
