"""Averaging: the mean to the last bit, selections, refusals, and an output created atomically."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.checkpoints.averaging import (
    average,
    best,
    last_by_epoch,
    last_by_update,
    last_by_update_or_epoch,
)
from attn_nmt.command_line import UsageError

ROOT = Path(__file__).parents[2]


def save(path: Path, updates: int = 0, **model: torch.Tensor) -> Path:
    state: dict[str, Any] = {
        "args": None,
        "cfg": {"optimization": {"max_update": updates}},
        "model": model,
        "optimizer_history": [{"num_updates": updates}],
        "extra_state": {"val_loss": 1.0},
        "last_optimizer_state": {"step": updates},
    }
    torch.save(state, path)
    return path


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_the_mean_is_that_of_numpy_in_float64(tmp_path: Path, dtype: torch.dtype) -> None:
    # A sum in float16 or float32 would lose the small ones.
    values = [(torch.randn(50, 7) * 10.0**k).to(dtype) for k in (4, -3, 1, -1, 2)]
    paths = [save(tmp_path / f"{i}.pt", weight=value) for i, value in enumerate(values)]
    average(paths, tmp_path / "mean.pt")
    found = load_checkpoint(tmp_path / "mean.pt")["model"]["weight"]
    wide = numpy.mean([value.double().numpy() for value in values], axis=0, dtype=numpy.float64)
    assert found.dtype == dtype
    assert torch.equal(found, torch.from_numpy(wide).to(dtype))
    narrow = sum(value / 5 for value in values)
    assert not torch.equal(found, narrow), "the values must tell float64 from a narrower sum"


def test_bfloat16_stays_bfloat16(tmp_path: Path) -> None:
    values = [torch.tensor([1.0, 2.0]).bfloat16(), torch.tensor([2.0, 6.0]).bfloat16()]
    average([save(tmp_path / f"{v[0]}.pt", w=v) for v in values], tmp_path / "mean.pt")
    mean = load_checkpoint(tmp_path / "mean.pt")["model"]["w"]
    assert torch.equal(mean, torch.tensor([1.5, 4.0]).bfloat16())


def test_everything_else_comes_from_the_newest_without_its_optimizer(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{n}.pt", n, w=torch.tensor([float(n)])) for n in (20, 30, 10)]
    average(paths, tmp_path / "mean.pt")
    state = load_checkpoint(tmp_path / "mean.pt")
    assert state["cfg"] == {"optimization": {"max_update": 30}}
    assert state["optimizer_history"] == [{"num_updates": 30}]
    assert state["extra_state"] == {"val_loss": 1.0, "averaged": ["20.pt", "30.pt", "10.pt"]}
    assert "last_optimizer_state" not in state


def test_tied_parameters_stay_tied(tmp_path: Path) -> None:
    paths = []
    for number in (1.0, 2.0):
        shared = torch.full((100, 100), number)
        other = torch.full((100, 100), number)
        paths.append(save(tmp_path / f"{number}.pt", a=shared, b=shared, c=other))
    average(paths, tmp_path / "mean.pt")
    model = load_checkpoint(tmp_path / "mean.pt")["model"]
    assert all(torch.equal(model[name], torch.full((100, 100), 1.5)) for name in "abc")
    assert model["a"].data_ptr() == model["b"].data_ptr() != model["c"].data_ptr()


def test_parameters_tied_in_the_newest_only_are_not_tied(tmp_path: Path) -> None:
    shared = torch.ones(3)
    old = save(tmp_path / "old.pt", 1, a=torch.zeros(3), b=torch.full((3,), 5.0))
    new = save(tmp_path / "new.pt", 2, a=shared, b=shared)
    average([old, new], tmp_path / "mean.pt")
    model = load_checkpoint(tmp_path / "mean.pt")["model"]
    assert (model["a"].tolist(), model["b"].tolist()) == ([0.5] * 3, [3.0] * 3)


def test_equal_whole_numbers_are_kept(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.pt", n=torch.tensor([7, 8]), f=torch.tensor(True)) for i in "ab"]
    average(paths, tmp_path / "mean.pt")
    model = load_checkpoint(tmp_path / "mean.pt")["model"]
    assert model["n"].dtype == torch.int64
    assert (model["n"].tolist(), model["f"].item()) == ([7, 8], True)


ONE = torch.ones(2)


@pytest.mark.parametrize(
    ("left", "right", "how"),
    [
        ({"a": ONE, "b": ONE}, {"a": ONE, "c": ONE}, "b is in {0} and not in {1}"),
        ({"a": ONE}, {"a": ONE, "c": ONE}, "c is in {1} and not in {0}"),
        (
            {"x": ONE, "a": torch.ones(2, 3), "b": ONE},
            {"x": ONE, "a": torch.ones(2, 4)},
            "a is (2, 3) in {0} and (2, 4) in {1}",
        ),
        ({"a": ONE}, {"a": ONE.half()}, "a is torch.float32 in {0} and torch.float16 in {1}"),
        (
            {"n": torch.tensor(1)},
            {"n": torch.tensor(2)},
            "n, of whole numbers, differs between {0} and {1}",
        ),
    ],
)
def test_different_models_are_refused_with_the_first_difference(
    tmp_path: Path, left: dict[str, Any], right: dict[str, Any], how: str
) -> None:
    paths = [save(tmp_path / "left.pt", **left), save(tmp_path / "right.pt", **right)]
    message = f"The checkpoints must be of one model, but {how.format(*paths)}."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        average(paths, tmp_path / "mean.pt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["left.pt", "right.pt"]


class Malicious:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.trace}",)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    good, bad = save(tmp_path / "good.pt", w=ONE), tmp_path / "bad.pt"
    torch.save({"model": {"w": ONE}, "extra_state": Malicious(tmp_path / "trace")}, bad)
    with pytest.raises(UsageError, match="could run somebody else's code"):
        average([good, bad], tmp_path / "mean.pt")
    assert not (tmp_path / "trace").exists()
    assert not (tmp_path / "mean.pt").exists()


@pytest.mark.parametrize("model", [{"w": 1.0}, [ONE]])
def test_a_model_of_anything_but_tensors_is_refused(tmp_path: Path, model: Any) -> None:
    torch.save({"model": model}, tmp_path / "odd.pt")
    with pytest.raises(UsageError, match=r"odd.pt must hold a model of named tensors, but"):
        average([tmp_path / "odd.pt"], tmp_path / "mean.pt")


KILLED = """
import os, signal, sys
from pathlib import Path
from attn_nmt.checkpoints.averaging import average
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
average([Path(sys.argv[1])], Path(sys.argv[2]))
"""


def test_a_killed_process_leaves_the_old_file_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    """Killed when everything is written, just before the new file takes its name."""
    new, output = save(tmp_path / "new.pt", w=ONE), save(tmp_path / "mean.pt", w=ONE * 3)
    before = output.read_bytes()
    killed = subprocess.run([sys.executable, "-c", KILLED, new, output], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert output.read_bytes() == before
    # The test means nothing unless the new file was complete by then.
    (unfinished,) = tmp_path.glob(".mean.pt.*")
    assert load_checkpoint(unfinished)["model"]["w"].tolist() == [1, 1]
    foreign = tmp_path / ".mean.pt.another-machine.1"
    foreign.touch()
    average([new], output)
    assert set(tmp_path.iterdir()) == {new, output, foreign}


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, output = save(tmp_path / "new.pt", w=ONE), save(tmp_path / "mean.pt", w=ONE * 3)
    before = output.read_bytes()

    def fill_the_disk(state: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        average([new], output)
    assert output.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mean.pt", "new.pt"]


def touch(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).touch()


def test_the_last_are_found_by_number_not_alphabetically(tmp_path: Path) -> None:
    touch(tmp_path, "checkpoint_1_900.pt", "checkpoint_2_1000.pt", "checkpoint_10_11000.pt")
    touch(tmp_path, "checkpoint9.pt", "checkpoint10.pt", "checkpoint8.pt")
    touch(tmp_path, "checkpoint_last.pt", "checkpoint_3_12000.pt.tmp", "checkpoint.best_loss_2.pt")
    updates = last_by_update(tmp_path, 2)
    assert [path.name for path in updates] == ["checkpoint_2_1000.pt", "checkpoint_10_11000.pt"]
    epochs = last_by_epoch(tmp_path, 3)
    assert [path.name for path in epochs] == ["checkpoint8.pt", "checkpoint9.pt", "checkpoint10.pt"]


@pytest.mark.parametrize(
    ("metric", "maximize", "expected"),
    [("bleu", True, ["9.5001", "10.2500"]), ("loss", False, ["9.5001", "2.7502"])],
)
def test_the_best_are_the_highest_or_the_lowest(
    tmp_path: Path, metric: str, maximize: bool, expected: list[str]
) -> None:
    settings = {"best_checkpoint_metric": metric, "maximize_best_checkpoint_metric": maximize}
    for value in ("2.7502", "10.2500", "9.5001"):
        state = {"model": {}, "cfg": {"checkpoint": settings}}
        torch.save(state, tmp_path / f"checkpoint.best_{metric}_{value}.pt")
    # Of another metric, from an older training into the same directory.
    other = tmp_path / "checkpoint.best_accuracy_0.5000.pt"
    torch.save({"model": {}}, other)
    os.utime(other, (0, 0))
    names = [path.name for path in best(tmp_path, 2)]
    assert names == [f"checkpoint.best_{metric}_{value}.pt" for value in expected]


@pytest.mark.parametrize(
    ("select", "flag", "kind"),
    [
        (last_by_update, "--last-updates", "checkpoint_EPOCH_UPDATE.pt"),
        (last_by_epoch, "--last-epochs", "checkpointEPOCH.pt"),
        (best, "--best", "checkpoint.best_METRIC_VALUE.pt"),
        (
            last_by_update_or_epoch,
            "--average",
            "checkpoint_EPOCH_UPDATE.pt or checkpointEPOCH.pt",
        ),
    ],
)
def test_too_few_are_an_error_with_both_numbers(
    tmp_path: Path, select: Any, flag: str, kind: str
) -> None:
    message = f"{flag} must be at most the number of files {kind} in {tmp_path}, 0, but is 5."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        select(tmp_path, 5)
    with pytest.raises(UsageError, match="^--average must be at most the number .*, 0, but is 5.$"):
        select(tmp_path, 5, "--average")
    with pytest.raises(
        UsageError, match="^SAVE_DIR must be a directory, but /nowhere is not one.$"
    ):
        select(Path("/nowhere"), 5)


def test_the_mean_of_no_checkpoint_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "checkpoint1.pt")
    with pytest.raises(
        UsageError, match="^--last-epochs must be a whole number of at least 1, but"
    ):
        last_by_epoch(tmp_path, 0)
    with pytest.raises(UsageError, match="^CHECKPOINT must be given at least once, but is not.$"):
        average([], tmp_path / "mean.pt")
