"""The check of a GPU, on the CPU in its place: it passes what is right, and sees what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.commandline import run_command

from attn_nmt.benchmarking import gpu_check
from attn_nmt.functional import attention

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check, "_TOKENS", 60)
    monkeypatch.setattr(gpu_check, "_LENGTH", 3)
    monkeypatch.setattr(gpu_check, "_ARCH", "attn_transformer_tiny")
    names = ("1111", "0010 + deformable", "dynamic")
    few = {name: gpu_check.MECHANISMS[name] for name in names}
    monkeypatch.setattr(gpu_check, "MECHANISMS", few)


def test_what_is_the_same_is_right() -> None:
    rows = list(gpu_check.check_mechanisms(CPU))
    assert len(rows) == 3 * (1 + 3)
    assert [row for row in rows if row["right"] != "yes"] == []
    assert rows[0]["logits"] == "0.0e+00" and rows[0]["same hypotheses"] == "100%"
    assert rows[-1]["type"] == "float16" and float(rows[-1]["logits"]) > 0


def test_a_wrong_kernel_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong by two percent, and on one side only: in the copy, which comes first."""
    right, calls = attention.masked_softmax, []

    def wrong(*arguments: Any) -> torch.Tensor:
        calls.append(arguments)
        return right(*arguments) * (1.02 if len(calls) == 1 else 1.0)

    monkeypatch.setattr(attention, "masked_softmax", wrong)
    errors = gpu_check.compare("1111", CPU, torch.float32)
    assert not errors.within(gpu_check.compare(gpu_check.STOCK, CPU, torch.float32), torch.float32)


def test_the_optimizer_and_several_processes() -> None:
    assert gpu_check.check_fused_adam(CPU) < 1e-5
    assert gpu_check.check_ddp("cpu", 2) < 1e-5


def test_a_machine_without_a_gpu_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    result = run_command("bash", "scripts/check_gpu.sh", check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "error: This machine must have a GPU, but PyTorch finds none."
    )
