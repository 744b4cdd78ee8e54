"""fairseq's checkpoints: loaded without running code, found, replaced, averaged.

- ``gate``: ``load_checkpoint``, through which all of them come
- ``archive``: reading a file that a stranger may have made, or a disk damaged
- ``settings``: the settings in it, checked before fairseq evaluates them or builds what they ask
  for; ``rules``: the type that each must have; ``model_size``: whether they describe the weights
- ``directory``: the best and the last checkpoint of a training
- ``averaging``: ``attn-nmt average``, the mean of several

``gate``, ``archive`` and ``directory`` import without fairseq.
"""

from attn_nmt.checkpoints.directory import (
    BEST,
    LAST,
    best_or_last,
    choose_checkpoint,
    find_checkpoint,
    replace_broken_last_checkpoint,
)
from attn_nmt.checkpoints.gate import allow_fairseq_classes, load_checkpoint

__all__ = [
    "BEST",
    "LAST",
    "allow_fairseq_classes",
    "best_or_last",
    "choose_checkpoint",
    "find_checkpoint",
    "load_checkpoint",
    "replace_broken_last_checkpoint",
]
