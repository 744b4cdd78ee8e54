"""The fused optimizer follows fairseq's Adam, step by step and across checkpoints."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from fairseq.optim import OPTIMIZER_REGISTRY, adam
from omegaconf import OmegaConf

import attn_nmt.models  # noqa: F401  registers it

SIZES = ((3, 4), (5,), (1, 1, 2), (0,))
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def make(name: str, parameters: list[torch.nn.Parameter], **settings: Any) -> Any:
    values = {"lr": [0.01], "adam_betas": "(0.9, 0.98)", "adam_eps": 1e-30, **settings}
    return OPTIMIZER_REGISTRY[name](
        OmegaConf.merge(OmegaConf.structured(adam.FairseqAdamConfig(tpu=False, lr=[0.01])), values),
        parameters,
    )


def parameters() -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.nn.Parameter(torch.randn(size, dtype=torch.float64, generator=generator))
        for size in SIZES
    ]


def step(optimizer: Any, number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    for parameter in optimizer.params:
        shape = parameter.shape
        parameter.grad = torch.randn(shape, dtype=parameter.dtype, generator=generator)
    optimizer.set_lr(0.01 / number)
    optimizer.step()


def assert_same(first: Any, second: Any) -> None:
    for one, other in zip(first.params, second.params, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_it_takes_the_steps_of_fairseqs_adam(weight_decay: float) -> None:
    ours, theirs = (
        make(name, parameters(), weight_decay=weight_decay) for name in ("fused_adam", "adam")
    )
    for number in range(1, 30):
        step(ours, number)
        step(theirs, number)
    assert_same(ours, theirs)
    assert ours.optimizer.param_groups[0]["fused"]


@pytest.mark.parametrize(("first", "second"), [("adam", "fused_adam"), ("fused_adam", "adam")])
def test_either_resumes_from_the_checkpoint_of_the_other(first: str, second: str) -> None:
    whole = make(first, parameters())
    for number in range(1, 8):
        step(whole, number)
    resumed = make(second, copy.deepcopy(list(whole.params)))
    state = copy.deepcopy(whole.state_dict())
    assert all(isinstance(entry["step"], int) for entry in state["state"].values())
    resumed.load_state_dict(state, resumed.optimizer_config)
    assert type(resumed).__name__ == type(whole).__name__  # fairseq compares them
    for number in range(8, 20):
        step(whole, number)
        step(resumed, number)
    assert_same(resumed, whole)
    if second == "fused_adam":
        assert resumed.optimizer.param_groups[0]["fused"]


@pytest.mark.parametrize("name", ["fp16_adam_stats", "use_old_adam"])
def test_settings_of_fairseqs_own_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} must be off"):
        make("fused_adam", parameters(), **{name: True})
