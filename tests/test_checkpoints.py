"""Checkpoints load safely: what fairseq writes is accepted, code is not run."""

from __future__ import annotations

import argparse
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from omegaconf import OmegaConf

from attn_nmt import checkpoints
from attn_nmt.command_line import UsageError


class Malicious:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.trace}",)


def test_what_fairseq_writes_is_loaded(tmp_path: Path) -> None:
    state = {
        "args": argparse.Namespace(arch="transformer", betas=(0.9, 0.98)),
        "cfg": OmegaConf.create({"lr": [0.1, 1e-9], "name": "a", "on": True, "none": None, "n": 1}),
        "model": {"weight": torch.ones(2)},
        "extra_state": {"val_loss": numpy.float64(1.5), "counts": numpy.arange(4)},
    }
    torch.save(state, tmp_path / "checkpoint.pt")
    loaded = checkpoints.load_checkpoint(tmp_path / "checkpoint.pt")
    assert loaded["args"] == state["args"]
    assert loaded["cfg"] == state["cfg"]
    assert loaded["model"]["weight"].tolist() == [1, 1]
    assert loaded["extra_state"]["val_loss"] == 1.5
    assert loaded["extra_state"]["counts"].tolist() == [0, 1, 2, 3]


def test_code_is_named_and_not_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "checkpoint.pt", tmp_path / "trace"
    torch.save({"model": {}, "extra_state": Malicious(trace)}, path)
    message = (
        f"{path} must hold nothing but tensors, numbers and fairseq's settings, but holds "
        f"{os.system.__module__}.system; loading it could run somebody else's code, "
        "so it was refused."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        checkpoints.load_checkpoint(path)
    assert not trace.exists()
    # The file is as dangerous as it looks.
    torch.load(path, weights_only=False)
    assert trace.exists()


def test_fairseq_itself_refuses_code_in_the_same_words(tmp_path: Path) -> None:
    from fairseq import checkpoint_utils

    import attn_nmt.models  # noqa: F401  what --user-dir imports

    path, trace = tmp_path / "checkpoint.pt", tmp_path / "trace"
    torch.save({"model": {}, "args": Malicious(trace)}, path)
    with pytest.raises(UsageError, match="could run somebody else's code"):
        checkpoint_utils.load_checkpoint_to_cpu(str(path))
    assert not trace.exists()


def test_a_bare_pickle_is_not_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "checkpoint.pt", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Malicious(trace)))
    with pytest.raises(UsageError, match="so it was refused.$"):
        checkpoints.load_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize("kept", [0, 3, 1000])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, kept: int) -> None:
    whole, path = tmp_path / "whole.pt", tmp_path / "checkpoint.pt"
    torch.save({"model": {"weight": torch.ones(1000)}}, whole)
    path.write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(UsageError, match=f"^{path} must "):
        checkpoints.load_checkpoint(path)


def test_a_missing_checkpoint_and_one_without_a_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be a checkpoint, but is missing.$"):
        checkpoints.load_checkpoint(tmp_path / "nothing.pt")
    torch.save({"weight": torch.ones(1)}, tmp_path / "bare.pt")
    with pytest.raises(UsageError, match="must be a fairseq checkpoint, but holds no model.$"):
        checkpoints.load_checkpoint(tmp_path / "bare.pt")
