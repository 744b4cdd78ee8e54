"""What ``--log-offsets`` writes: how far the taps of deformable convolutions move in training."""

from __future__ import annotations

from fairseq.logging import metrics
from torch import nn

from attn_nmt.modules import DeformableConv1d


class OffsetLog:
    """Collects the statistics of all deformable convolutions of a model for fairseq's log.

    fairseq prints them every ``--log-interval``, averaged over the updates and the layers since
    the last time: ``offset_mean`` and ``offset_max``, the mean and the largest absolute offset of a
    layer in tokens, and ``offset_outside``, the share of taps that read nothing. Of several
    processes the first one's are shown.
    """

    def __init__(self, model: nn.Module) -> None:
        self._convolutions = [m for m in model.modules() if isinstance(m, DeformableConv1d)]
        for module in self._convolutions:
            module.records_statistics = True

    def write(self) -> None:
        """Pass on what the forward pass just made has left."""
        for module in self._convolutions:
            if module.statistics is None:
                continue
            found, module.statistics = module.statistics, None
            metrics.log_scalar("offset_mean", found.mean, found.count, priority=500, round=3)
            metrics.log_scalar("offset_max", found.maximum, priority=501, round=3)
            metrics.log_scalar("offset_outside", found.outside, found.count, priority=502, round=3)
