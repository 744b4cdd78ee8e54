"""The commands that train and score every cell of a grid; nothing is run here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attn_nmt.command_line import UsageError
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.study.commands.model_flags import on_top
from attn_nmt.study.grids.settings import Cell, arch_of_size, as_command_line, read_config

SET_HERE = (
    "--arch",
    "-a",
    "--seed",
    "--save-dir",
    "--user-dir",
    "--nodes",
    "--node-rank",
    "--master",
)
AVERAGED = 5
"""Checkpoints whose mean is scored, as Vaswani et al. (2017) do for their base model."""


@dataclass(frozen=True)
class Run:
    """One training of one cell, and its evaluation."""

    cell: Cell
    arch: str
    flags: dict[str, Any]
    """Of the cell, and those given on top."""
    config: AttnTransformerConfig
    seed: int
    data_bin: Path
    save_dir: Path
    average: int
    """How many of the last checkpoints make the model that is scored."""
    train: list[str]

    @property
    def evaluate(self) -> list[str]:
        """The command that scores the mean."""
        return [*self.evaluate_one, "--average", str(self.average)]

    @property
    def evaluate_one(self) -> list[str]:
        """The command that scores the best checkpoint instead, where too few were kept."""
        return ["python", "-m", "attn_nmt.evaluation", str(self.save_dir), str(self.data_bin)]


def plan(
    cells: Sequence[Cell],
    *,
    size: str,
    seeds: Sequence[int],
    data_bin: Path,
    out: Path,
    model_flags: dict[str, Any],
    train_flags: Sequence[str] = (),
    average: int = AVERAGED,
) -> list[Run]:
    """Return a run for every cell and seed, cell by cell, in ``out/CELL/seedN``.

    Args:
        cells: of one grid.
        size: of the models, as in ``--arch attn_transformer_SIZE``.
        seeds: no one twice.
        data_bin: what fairseq-train reads.
        out: the folder of the grid.
        model_flags: fields of the models on top of every cell.
        train_flags: of train.sh or fairseq-train, passed on as they are.
        average: how many checkpoints make the model that is scored.

    Raises:
        UsageError: if a flag breaks its rule, or would undo what the plan sets.
    """
    _require_fit(seeds, train_flags)
    arch = arch_of_size(size)
    models = [(cell, on_top(cell, model_flags)) for cell in cells]
    return [
        Run(
            cell,
            arch,
            flags,
            read_config(arch, flags),
            seed,
            data_bin,
            folder,
            average,
            _train(arch, data_bin, folder, [*as_command_line(flags), *train_flags], seed),
        )
        for cell, flags in models
        for seed in seeds
        for folder in [out / cell.name / f"seed{seed}"]
    ]


def _train(arch: str, data_bin: Path, folder: Path, flags: list[str], seed: int) -> list[str]:
    """Return the command: the recipe of ``train.sh``, which flags override."""
    command = ["python", "-m", "attn_nmt.training", arch, str(data_bin), str(folder)]
    return [*command, *flags, "--seed", str(seed)]


def _require_fit(seeds: Sequence[int], train_flags: Sequence[str]) -> None:
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"--seeds must have no number twice, but are {' '.join(map(str, seeds))}.")
    for word in train_flags:
        if word.partition("=")[0] in SET_HERE:
            raise UsageError(f"{word} must be left out, since the plan sets it, but is given.")
