"""The one gate through which checkpoints are loaded, without running code that they hold.

Since torch 2.6 ``torch.load`` accepts only classes that are declared safe, and fairseq's
checkpoints hold a few more than tensors and numbers. They are declared when the package is
imported; everything else stays refused.
"""

from __future__ import annotations

import argparse
import collections
import typing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
import torch

from attn_nmt.checkpoints import archive
from attn_nmt.command_line import UsageError


def allow_fairseq_classes() -> None:
    """Declare safe what fairseq writes: settings, their containers, and numpy's numbers."""
    torch.serialization.add_safe_globals(
        [argparse.Namespace, *_containers(), *_omegaconf_classes(), *_numpy_classes()]
    )


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint to the CPU: the one gate through which all of them come.

    Raises:
        UsageError: if the file is missing, incomplete, damaged, or holds anything that is not
            declared safe, weights that are not numbers, or settings that fairseq must not see, in
            which case none of its code has run.
    """
    if not path.is_file():
        raise UsageError(f"{path} must be a checkpoint, but is missing.")
    state: dict[str, Any] = archive.read(path)
    _check_parts(path, state)
    archive.check_weights(path, state["model"])
    if state.get("cfg") is not None or state.get("args") is not None:
        # Not at the top: this module loads without fairseq.
        from attn_nmt.checkpoints.settings import check_settings

        check_settings(path, state)
    return state


def _check_parts(path: Path, state: Any) -> None:
    """Require the parts that fairseq and this package read to be of the right type.

    Raises:
        UsageError: naming the part.
    """
    if not isinstance(state, dict) or "model" not in state:
        raise UsageError(f"{path} must be a fairseq checkpoint, but holds no model.")
    model, history = state["model"], state.get("optimizer_history") or []
    is_model = isinstance(model, dict) and all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in model.items()
    )
    is_history = isinstance(history, list) and all(
        isinstance(part, dict) and type(part.get("num_updates", 0)) is int for part in history
    )
    extra = state.get("extra_state") or {}
    iterator = extra.get("train_iterator") or {} if isinstance(extra, dict) else None
    is_iterator = isinstance(iterator, dict) and type(iterator.get("epoch", 1)) is int
    for holds, what in (
        (is_model, "a model of named tensors"),
        (is_history, "a list with the number of updates as optimizer_history"),
        (isinstance(extra, dict), "a mapping as extra_state"),
        (is_iterator, "a mapping with the number of the epoch as train_iterator"),
    ):
        if not holds:
            raise UsageError(f"{path} must hold {what}, but holds something else.")


def _containers() -> list[Any]:
    return [dict, list, tuple, set, int, float, str, bool, collections.defaultdict, typing.Any]


def _omegaconf_classes() -> list[Any]:
    """Return the classes in which ``fairseq-hydra-train`` and older versions write settings."""
    if find_spec("omegaconf") is None:
        return []
    from omegaconf import DictConfig, ListConfig, base, nodes

    scalars = [getattr(nodes, f"{kind}Node") for kind in ("Any", "String", "Integer", "Float")]
    return [
        DictConfig,
        ListConfig,
        base.ContainerMetadata,
        base.Metadata,
        *scalars,
        nodes.BooleanNode,
    ]


def _numpy_classes() -> list[Any]:
    """Return the classes in which the counts of ``--eval-bleu`` and other metrics are written."""
    rebuild_array = numpy.empty(0).__reduce__()[0]
    rebuild_number = numpy.float64(0).__reduce__()[0]
    dtypes = {type(numpy.dtype(code)) for code in numpy.typecodes["AllInteger"] + "efd?"}
    return [numpy.ndarray, numpy.dtype, rebuild_array, rebuild_number, *dtypes]
