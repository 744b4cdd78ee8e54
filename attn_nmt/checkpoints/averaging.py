"""One checkpoint out of several: the mean of their parameters; ``attn-nmt average``.

First which checkpoints of a directory, by the names that fairseq gives them, then their mean, then
the command, which ``scripts/average_checkpoints.py`` runs too.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attn_nmt.atomic import replacing
from attn_nmt.checkpoints.gate import load_checkpoint
from attn_nmt.command_line import UsageError, positive

StateDict = dict[str, Tensor]
_BY_UPDATE = r"checkpoint_\d+_(\d+)\.pt"
_BY_EPOCH = r"checkpoint(\d+)\.pt"


def last_by_update(save_dir: Path, n: int, flag: str = "--last-updates") -> list[Path]:
    """Return the last ``n`` checkpoints written between epochs, the newest last.

    They are ``checkpoint_EPOCH_UPDATE.pt``, from ``--save-interval-updates``.

    Raises:
        UsageError: if ``save_dir`` is not a directory or holds fewer; ``flag`` is where ``n`` comes
            from.
    """
    numbered = _numbered(save_dir, _BY_UPDATE)
    return _last(numbered, n, flag, save_dir, "checkpoint_EPOCH_UPDATE.pt")


def last_by_epoch(save_dir: Path, n: int, flag: str = "--last-epochs") -> list[Path]:
    """Return the checkpoints of the last ``n`` epochs, ``checkpointEPOCH.pt``, the newest last.

    Raises:
        UsageError: as :func:`last_by_update`.
    """
    numbered = _numbered(save_dir, _BY_EPOCH)
    return _last(numbered, n, flag, save_dir, "checkpointEPOCH.pt")


def last_by_update_or_epoch(save_dir: Path, n: int, flag: str = "--average") -> list[Path]:
    """Return the last ``n`` by update if there are such checkpoints, otherwise by epoch.

    Raises:
        UsageError: as :func:`last_by_update`.
    """
    numbered, kind = _by_update_or_epoch(save_dir)
    return _last(numbered, n, flag, save_dir, kind)


def last_if_enough(save_dir: Path, n: int) -> list[Path]:
    """Return the last ``n`` by update or epoch, or none if fewer were kept.

    Raises:
        UsageError: if ``save_dir`` is not a directory.
    """
    numbered, kind = _by_update_or_epoch(save_dir)
    return _last(numbered, n, "--average", save_dir, kind) if len(numbered) >= n else []


def _by_update_or_epoch(save_dir: Path) -> tuple[list[tuple[float, Path]], str]:
    """Return those by update if there are any, otherwise those by epoch; and how they are named."""
    if numbered := _numbered(save_dir, _BY_UPDATE):
        return numbered, "checkpoint_EPOCH_UPDATE.pt"
    if numbered := _numbered(save_dir, _BY_EPOCH):
        return numbered, "checkpointEPOCH.pt"
    return [], "checkpoint_EPOCH_UPDATE.pt or checkpointEPOCH.pt"


def best(save_dir: Path, n: int, flag: str = "--best") -> list[Path]:
    """Return the ``n`` checkpoints with the best score, the best last.

    They are ``checkpoint.best_METRIC_VALUE.pt``, from ``--keep-best-checkpoints``. The metric, and
    whether a higher value is better, are those of the newest of them. fairseq appends a random
    digit to the value, which breaks ties.

    Raises:
        UsageError: as :func:`last_by_update`, or if the newest cannot be loaded.
    """
    files = [path for _, path in _numbered(save_dir, r"checkpoint\.best_.+_(\d+\.?\d*)\.pt")]
    if not files:
        return _last([], n, flag, save_dir, "checkpoint.best_METRIC_VALUE.pt")
    metric, maximize = _metric(max(files, key=lambda path: path.stat().st_mtime))
    numbered = _numbered(save_dir, rf"checkpoint\.best_{re.escape(metric)}_(\d+\.?\d*)\.pt")
    if not maximize:
        numbered.reverse()
    return _last(numbered, n, flag, save_dir, f"checkpoint.best_{metric}_VALUE.pt")


def _numbered(save_dir: Path, pattern: str) -> list[tuple[float, Path]]:
    """Return the files whose names match, with the number in the name, in ascending order."""
    if not save_dir.is_dir():
        raise UsageError(f"SAVE_DIR must be a directory, but {save_dir} is not one.")
    matches = ((re.fullmatch(pattern, path.name), path) for path in save_dir.iterdir())
    return sorted((float(match[1]), path) for match, path in matches if match)


def _last(
    numbered: list[tuple[float, Path]], n: int, flag: str, save_dir: Path, kind: str
) -> list[Path]:
    if n < 1:
        raise UsageError(f"{flag} must be a whole number of at least 1, but is {n}.")
    if len(numbered) < n:
        raise UsageError(
            f"{flag} must be at most the number of files {kind} in {save_dir}, {len(numbered)}, "
            f"but is {n}."
        )
    return [path for _, path in numbered[-n:]]


def _metric(path: Path) -> tuple[str, bool]:
    """Return the metric by which the checkpoint was chosen, and whether higher is better."""
    state = load_checkpoint(path)
    settings = (state.get("cfg") or {}).get("checkpoint")
    if settings is None:  # written by a fairseq older than 0.10
        settings = vars(state["args"]) if state.get("args") else {}
    try:
        return (
            str(settings["best_checkpoint_metric"]),
            bool(settings["maximize_best_checkpoint_metric"]),
        )
    except KeyError:
        raise UsageError(
            f"{path} must say by which metric it was chosen, but its settings do not."
        ) from None


def average(paths: list[Path], output: Path) -> None:
    """Write a checkpoint whose parameters are the mean of those in ``paths``.

    Sums are in float64, and the mean is rounded once, to the stored type. Everything else comes
    from the checkpoint with the most updates, except the optimizer state, which has no mean;
    ``extra_state["averaged"]`` names the files. Memory holds one float64 model and one checkpoint
    at a time. ``output`` is created atomically.

    Raises:
        UsageError: if there is no path, one cannot be loaded, or they are of different models.
        OSError: if ``output`` cannot be written.
    """
    if not paths:
        raise UsageError("CHECKPOINT must be given at least once, but is not.")
    mean = _Mean()
    for path in paths:
        mean.add(path)
    with replacing(output) as unfinished:
        try:
            torch.save(mean.checkpoint(), unfinished)
        except RuntimeError as error:  # of PyTorch, in place of the OSError
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"{output} must be written in full, but its disk may be full: {reason}"
            ) from None


class _Mean:
    """Sums of parameters, and everything else of the newest checkpoint."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.sums: StateDict = {}
        self.dtypes: dict[str, torch.dtype] = {}
        self.updates = -1
        self.state: dict[str, Any] = {}
        self.ties: dict[str, str] = {}

    def add(self, path: Path) -> None:
        """Load a checkpoint and add it; its memory is freed on return."""
        state = load_checkpoint(path)
        model: StateDict = state.pop("model")
        if not self.paths:
            self.dtypes = {name: value.dtype for name, value in model.items()}
            self.sums = {name: _to_float64(value) for name, value in model.items()}
        else:
            self._check_same_model(model, path)
            for name, value in model.items():
                if value.is_floating_point():
                    self.sums[name] += value
        updates = ((state.get("optimizer_history") or [{}])[-1]).get("num_updates", 0)
        if updates >= self.updates:
            state.pop("last_optimizer_state", None)
            self.updates, self.state, self.ties = updates, state, _ties(model)
        self.paths.append(path)

    def checkpoint(self) -> dict[str, Any]:
        """Return the averaged checkpoint; consumes the sums, to save memory."""
        model: StateDict = {}
        for name, dtype in self.dtypes.items():
            total = self.sums.pop(name)
            if total.is_floating_point():
                total /= len(self.paths)
            model[name] = total.to(dtype)
            # A tensor with two names is stored once, and stays shared.
            tied = model.get(self.ties[name])
            if tied is not None and torch.equal(tied, model[name]):
                model[name] = tied
        names = [path.name for path in self.paths]
        extra = {**(self.state.get("extra_state") or {}), "averaged": names}
        return {**self.state, "model": model, "extra_state": extra}

    def _check_same_model(self, model: StateDict, path: Path) -> None:
        first = self.paths[0]
        for name, total in self.sums.items():
            if name not in model:
                raise _different_models(f"{name} is in {first} and not in {path}")
            shapes = tuple(total.shape), tuple(model[name].shape)
            if shapes[0] != shapes[1]:
                raise _different_models(
                    f"{name} is {shapes[0]} in {first} and {shapes[1]} in {path}"
                )
            dtypes = self.dtypes[name], model[name].dtype
            if dtypes[0] != dtypes[1]:
                raise _different_models(
                    f"{name} is {dtypes[0]} in {first} and {dtypes[1]} in {path}"
                )
            if not total.is_floating_point() and not torch.equal(total, model[name]):
                raise _different_models(
                    f"{name}, of whole numbers, differs between {first} and {path}"
                )
        for name in model:
            if name not in self.sums:
                raise _different_models(f"{name} is in {path} and not in {first}")


def _to_float64(value: Tensor) -> Tensor:
    """Return a float64 copy; whole numbers keep their type."""
    return value.to(torch.float64, copy=True) if value.is_floating_point() else value.clone()


def _ties(model: StateDict) -> dict[str, str]:
    """Map each name to the first name that shares its memory, possibly itself."""
    first: dict[Any, str] = {}
    return {
        name: first.setdefault((value.data_ptr(), value.dtype, value.shape, value.stride()), name)
        for name, value in model.items()
    }


def _different_models(difference: str) -> UsageError:
    return UsageError(f"The checkpoints must be of one model, but {difference}.")


SELECTIONS = {"--last-updates": last_by_update, "--last-epochs": last_by_epoch, "--best": best}


def main() -> None:
    """Average, and print the names of the averaged files, one per line, then that of the output."""
    args = _parser().parse_args()
    if args.output.is_dir():
        raise UsageError(f"--output must be a file, but {args.output} is a directory.")
    if not args.output.parent.is_dir():
        raise UsageError(
            f"--output must be in an existing directory, but {args.output.parent} does not exist."
        )
    paths = _select(args)
    average(paths, args.output)
    print(*paths, sep="\n")
    print(f"mean of {len(paths)}: {args.output}")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="attn-nmt average",
        usage="%(prog)s --output FILE (--last-updates N | --last-epochs N | --best N) SAVE_DIR\n"
        "       %(prog)s --output FILE CHECKPOINT...",
        description="Average the parameters of checkpoints of one model.",
        allow_abbrev=False,
    )
    parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="file to write")
    helps = (
        "last N checkpoint_EPOCH_UPDATE.pt",
        "last N checkpointEPOCH.pt",
        "best N checkpoint.best_METRIC_VALUE.pt",
    )
    for flag, text in zip(SELECTIONS, helps, strict=True):
        parser.add_argument(flag, metavar="N", type=positive(flag), help=text)
    parser.add_argument("paths", metavar="SAVE_DIR or CHECKPOINT", type=Path, nargs="+")
    return parser


def _select(args: Namespace) -> list[Path]:
    """Return the checkpoints that the command line names or selects."""
    counts = {flag: getattr(args, flag[2:].replace("-", "_")) for flag in SELECTIONS}
    selections = [flag for flag, count in counts.items() if count is not None]
    paths: list[Path] = args.paths
    if len(selections) > 1:
        raise UsageError(
            f"{selections[1]} must be given without {selections[0]}, but both are given."
        )
    if selections and len(paths) > 1:
        raise UsageError(
            f"{selections[0]} must be followed by one SAVE_DIR, but {len(paths)} are given."
        )
    if selections:
        return SELECTIONS[selections[0]](paths[0], counts[selections[0]])
    directory = next((path for path in paths if path.is_dir()), None)
    if directory is not None:
        raise UsageError(
            f"SAVE_DIR must come with one of {', '.join(SELECTIONS)}, but {directory} comes with "
            "none."
        )
    return paths
