"""The mean of the parameters of several checkpoints of one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attn_nmt.atomic import replacing
from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.command_line import UsageError

Model = dict[str, Tensor]


def average(paths: list[Path], output: Path) -> None:
    """Write a checkpoint whose parameters are the mean of those in ``paths``.

    Sums are in float64, and the mean is rounded once, to the type that is stored. All else comes
    from the checkpoint with the most updates, except the optimiser's state, which belongs to no
    mean; ``extra_state["averaged"]`` names the files. In memory are one float64 model and one
    checkpoint at a time. ``output`` appears whole or not at all.

    Raises:
        UsageError: if there is no path, one may not be loaded, or they are of different models.
        OSError: if ``output`` cannot be written.
    """
    if not paths:
        raise UsageError("CHECKPOINT must be given at least once, but is not.")
    mean = _Mean()
    for path in paths:
        mean.add(path)
    with replacing(output) as unfinished:
        torch.save(mean.checkpoint(), unfinished)


class _Mean:
    """Sums of parameters, and the rest of the newest checkpoint."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.total: Model = {}
        self.types: dict[str, torch.dtype] = {}
        self.updates = -1
        self.rest: dict[str, Any] = {}
        self.ties: dict[str, str] = {}

    def add(self, path: Path) -> None:
        """Load a checkpoint and add it; it leaves memory when this returns."""
        state = load_checkpoint(path)
        model: Model = state.pop("model")
        if not _is_model(model):
            raise UsageError(f"{path} must hold a model of named tensors, but holds another.")
        if not self.paths:
            self.types = {name: value.dtype for name, value in model.items()}
            self.total = {name: _wide(value) for name, value in model.items()}
        else:
            self._check_same_model(model, path)
            for name, value in model.items():
                if value.is_floating_point():
                    self.total[name] += value
        updates = ((state.get("optimizer_history") or [{}])[-1]).get("num_updates", 0)
        if updates >= self.updates:
            state.pop("last_optimizer_state", None)
            self.updates, self.rest, self.ties = updates, state, _ties(model)
        self.paths.append(path)

    def checkpoint(self) -> dict[str, Any]:
        """Return the checkpoint with the mean; the sums are used up, to spare their memory."""
        model: Model = {}
        for name, dtype in self.types.items():
            total = self.total.pop(name)
            if total.is_floating_point():
                total /= len(self.paths)
            model[name] = total.to(dtype)
            # One tensor under two names is stored once, and stays one.
            twin = model.get(self.ties[name])
            if twin is not None and torch.equal(twin, model[name]):
                model[name] = twin
        names = [path.name for path in self.paths]
        extra = {**(self.rest.get("extra_state") or {}), "averaged": names}
        return {**self.rest, "model": model, "extra_state": extra}

    def _check_same_model(self, model: Model, path: Path) -> None:
        first = self.paths[0]
        for name, total in self.total.items():
            if name not in model:
                raise _differs(f"{name} is in {first} and not in {path}")
            shapes = tuple(total.shape), tuple(model[name].shape)
            if shapes[0] != shapes[1]:
                raise _differs(f"{name} is {shapes[0]} in {first} and {shapes[1]} in {path}")
            types = self.types[name], model[name].dtype
            if types[0] != types[1]:
                raise _differs(f"{name} is {types[0]} in {first} and {types[1]} in {path}")
            if not total.is_floating_point() and not torch.equal(total, model[name]):
                raise _differs(f"{name}, of whole numbers, is not the same in {first} and {path}")
        for name in model:
            if name not in self.total:
                raise _differs(f"{name} is in {path} and not in {first}")


def _is_model(model: Any) -> bool:
    return isinstance(model, dict) and all(isinstance(value, Tensor) for value in model.values())


def _wide(value: Tensor) -> Tensor:
    """Return a float64 copy; whole numbers stay what they are."""
    return value.to(torch.float64, copy=True) if value.is_floating_point() else value.clone()


def _ties(model: Model) -> dict[str, str]:
    """Map each name to the first name of the same memory, which may be itself."""
    first: dict[Any, str] = {}
    return {name: first.setdefault(_place(value), name) for name, value in model.items()}


def _place(value: Tensor) -> Any:
    return value.data_ptr(), value.dtype, value.shape, value.stride()


def _differs(how: str) -> UsageError:
    return UsageError(f"The checkpoints must be of one model, but {how}.")
