"""Loading fairseq's checkpoints without letting them run code.

Since torch 2.6 ``torch.load`` accepts only what has been declared harmless, and fairseq's
checkpoints hold a few classes more than tensors and numbers. They are declared here when the
package is imported; everything else stays refused.
"""

from __future__ import annotations

import argparse
import collections
import pickle
import typing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
import torch

from attn_nmt.command_line import UsageError


def allow_fairseq_classes() -> None:
    """Declare harmless what fairseq writes: settings, their containers, and numpy's numbers."""
    torch.serialization.add_safe_globals(
        [argparse.Namespace, *_containers(), *_omegaconf_classes(), *_numpy_classes()]
    )


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint to the CPU, safely.

    Raises:
        UsageError: if the file is missing, is no whole checkpoint, or holds anything that is not
            declared harmless; nothing of it has run then.
    """
    if not path.is_file():
        raise UsageError(f"{path} must be a checkpoint, but is missing.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise UsageError(why_refused(path, error)) from None
    if not isinstance(state, dict) or "model" not in state:
        raise UsageError(f"{path} must be a fairseq checkpoint, but holds no model.")
    return state


def why_refused(path: Path, error: Exception) -> str:
    """Say in one sentence why ``torch.load`` would not have the file at ``path``."""
    try:
        found = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # whatever a damaged or hostile file provokes in the reader
        found = []
    if not found and not isinstance(error, pickle.UnpicklingError):
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        return f"{path} must be a whole checkpoint, but cannot be read: {reason}"
    what = ", ".join(found) or "a pickle of another kind"
    return (
        f"{path} must hold nothing but tensors, numbers and fairseq's settings, but holds {what}; "
        "loading it could run somebody else's code, so it was refused."
    )


def _containers() -> list[Any]:
    return [dict, list, tuple, set, int, float, str, bool, collections.defaultdict, typing.Any]


def _omegaconf_classes() -> list[Any]:
    """Return what ``fairseq-hydra-train`` and older versions of fairseq write their settings in."""
    if find_spec("omegaconf") is None:
        return []
    from omegaconf import DictConfig, ListConfig, base, nodes

    leaves = [getattr(nodes, f"{kind}Node") for kind in ("Any", "String", "Integer", "Float")]
    return [
        DictConfig,
        ListConfig,
        base.ContainerMetadata,
        base.Metadata,
        *leaves,
        nodes.BooleanNode,
    ]


def _numpy_classes() -> list[Any]:
    """Return what the counts of ``--eval-bleu`` and other metrics are written in."""
    rebuild_array = numpy.empty(0).__reduce__()[0]
    rebuild_number = numpy.float64(0).__reduce__()[0]
    kinds = {type(numpy.dtype(code)) for code in numpy.typecodes["AllInteger"] + "efd?"}
    return [numpy.ndarray, numpy.dtype, rebuild_array, rebuild_number, *kinds]
