"""A checkpoint_last.pt cut short is replaced by the newest whole one, and nothing else is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from attn_nmt.command_line import UsageError
from attn_nmt.training.restart import mend_last_checkpoint


def save(path: Path, updates: int, *, optimiser: bool = True) -> None:
    state: dict[str, Any] = {
        "model": {"w": torch.full((1000,), float(updates))},
        "optimizer_history": [{"num_updates": updates}],
    }
    torch.save({**state, **({"last_optimizer_state": {}} if optimiser else {})}, path)


def cut(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])


@pytest.fixture
def save_dir(tmp_path: Path) -> Path:
    for name, updates in (("1_900", 900), ("2_1000", 1000), ("2_1100", 1100), ("last", 1100)):
        save(tmp_path / f"checkpoint_{name}.pt", updates)
    save(tmp_path / "checkpoint_mean.pt", 1100, optimiser=False)
    return tmp_path


def test_nothing_happens_to_a_whole_one_or_to_none(save_dir: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in save_dir.iterdir()}
    assert mend_last_checkpoint(save_dir) is None
    assert {path: path.read_bytes() for path in save_dir.iterdir()} == before
    (save_dir / "checkpoint_last.pt").unlink()
    assert mend_last_checkpoint(save_dir) is None
    assert not (save_dir / "checkpoint_last.pt").exists()
    assert mend_last_checkpoint(tmp_path / "new") is None


@pytest.mark.parametrize("kept", [0, 1, 2000, -1])
def test_the_newest_whole_one_takes_its_place(save_dir: Path, kept: int) -> None:
    last = save_dir / "checkpoint_last.pt"
    cut(last, kept)
    cut(save_dir / "checkpoint_2_1100.pt", 2000)
    line = mend_last_checkpoint(save_dir)
    assert line == (
        f"restart: {last} was cut short; replaced by checkpoint_2_1000.pt, of 1000 updates"
    )
    assert last.read_bytes() == (save_dir / "checkpoint_2_1000.pt").read_bytes()
    assert mend_last_checkpoint(save_dir) is None
    assert not list(save_dir.glob(".*"))


def test_the_best_is_as_good_as_any(save_dir: Path) -> None:
    """At the end of an epoch fairseq writes it first, and copies it to the last."""
    save(save_dir / "checkpoint_best.pt", 1150)
    cut(save_dir / "checkpoint_last.pt", 500)
    line = mend_last_checkpoint(save_dir)
    assert line is not None
    assert "checkpoint_best.pt, of 1150 updates" in line


def test_nothing_to_go_on_from_is_an_error(tmp_path: Path) -> None:
    last = tmp_path / "checkpoint_last.pt"
    save(last, 10)
    cut(last, 100)
    save(tmp_path / "checkpoint_mean.pt", 10, optimiser=False)
    message = (
        f"{last} must be a whole checkpoint, but is cut short, and there is no other in "
        f"{tmp_path} to go on from."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        mend_last_checkpoint(tmp_path)
    assert last.stat().st_size == 100


class Malicious:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.trace}",)


def test_a_whole_file_with_code_is_refused_and_kept(save_dir: Path) -> None:
    last = save_dir / "checkpoint_last.pt"
    torch.save({"model": {}, "extra_state": Malicious(save_dir / "trace")}, last)
    before = last.read_bytes()
    with pytest.raises(UsageError, match="could run somebody else's code"):
        mend_last_checkpoint(save_dir)
    assert last.read_bytes() == before
    assert not (save_dir / "trace").exists()
