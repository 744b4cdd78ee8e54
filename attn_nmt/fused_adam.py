"""``--optimizer fused_adam``: fairseq's Adam in one pass over the parameters.

fairseq's own makes ten passes over every tensor. PyTorch's fused AdamW, for CPUs and GPUs, is the
same rule (Loshchilov & Hutter 2019) but for epsilon, which it adds after the correction of the
second moment's bias and not before. fairseq's epsilon acts as if larger by 1 / sqrt(1 - beta2 **
step): with beta2 = 0.98, 7 times in the first step, 1.01 times after 200.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from fairseq.optim import FairseqOptimizer, adam, register_optimizer


@register_optimizer("fused_adam", dataclass=adam.FairseqAdamConfig)
class FairseqAdam(adam.FairseqAdam):
    """Takes the flags of fairseq's ``adam``, and either resumes from the checkpoints of the other.

    The name is that of fairseq's class, which it compares with the one in a checkpoint.

    Raises:
        ValueError: for --fp16-adam-stats or --use-old-adam, which are about fairseq's own.
    """

    def __init__(self, cfg: adam.FairseqAdamConfig, params: Iterable[Any]) -> None:
        FairseqOptimizer.__init__(self, cfg)  # that of fairseq's Adam would build its own
        for name in ("fp16_adam_stats", "use_old_adam"):
            if getattr(cfg, name, False):
                flag = "--" + name.replace("_", "-")
                raise ValueError(f"{flag} must be off with --optimizer fused_adam, but is True.")
        self._optimizer = torch.optim.AdamW(params, **self.optimizer_config)

    @property
    def optimizer_config(self) -> dict[str, Any]:
        """Return the settings, which override those of a checkpoint."""
        return {**super().optimizer_config, "fused": True}

    @property
    def supports_flat_params(self) -> bool:
        """Every element is treated alike, so --fp16 may join all parameters in one tensor."""
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return the state as fairseq's Adam would."""
        state = self.optimizer.state_dict()
        moments = {
            index: {**entry, "step": int(entry["step"])} for index, entry in state["state"].items()
        }
        return {**state, "state": moments}

    def load_state_dict(
        self, state_dict: dict[str, Any], optimizer_overrides: dict[str, Any] | None = None
    ) -> None:
        """Load a state of this optimizer or of fairseq's Adam."""
        super().load_state_dict(state_dict, {**(optimizer_overrides or {}), "fused": True})
        for parameter, entry in self.optimizer.state.items():
            # PyTorch puts the number of steps on the CPU if the checkpoint does not say "fused".
            entry["step"] = torch.tensor(float(entry["step"]), device=parameter.device)
