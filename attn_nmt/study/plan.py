"""The commands that train and score every cell of a grid; nothing is run here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import attn_nmt
from attn_nmt.command_line import UsageError
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.study.model_flags import on_top
from attn_nmt.study.settings import Cell, arch_of_size, as_command_line, read_config

SET_HERE = ("--arch", "-a", "--seed", "--save-dir", "--user-dir")
AVERAGED = 5
"""Checkpoints whose mean is scored, as Vaswani et al. (2017) do for their base model."""


@dataclass(frozen=True)
class Run:
    """One training of one cell, and its evaluation."""

    cell: Cell
    config: AttnTransformerConfig
    seed: int
    save_dir: Path
    train: list[str]
    evaluate: list[str]


def plan(
    cells: Sequence[Cell],
    *,
    size: str,
    seeds: Sequence[int],
    data_bin: Path,
    out: Path,
    model_flags: dict[str, Any],
    train_flags: Sequence[str] = (),
) -> list[Run]:
    """Return a run for every cell and seed, cell by cell, in ``out/CELL/seedN``.

    Args:
        cells: of one grid.
        size: of the models, as in ``--arch attn_transformer_SIZE``.
        seeds: no one twice.
        data_bin: what fairseq-train reads.
        out: the folder of the grid.
        model_flags: fields of the models on top of every cell.
        train_flags: flags of fairseq-train, passed on as they are.

    Raises:
        UsageError: if a flag breaks its rule, or would undo what the plan sets.
    """
    _require_fit(seeds, train_flags)
    arch = arch_of_size(size)
    models = [(cell, on_top(cell, model_flags)) for cell in cells]
    return [
        _run(cell, arch, flags, seed, data_bin, out / cell.name / f"seed{seed}", train_flags)
        for cell, flags in models
        for seed in seeds
    ]


def _run(
    cell: Cell,
    arch: str,
    flags: dict[str, Any],
    seed: int,
    data_bin: Path,
    save_dir: Path,
    train_flags: Sequence[str],
) -> Run:
    config = read_config(arch, flags)
    model = ["--user-dir", str(Path(attn_nmt.__file__).parent), "--arch", arch]
    train = ["fairseq-train", str(data_bin), *model, *as_command_line(flags), *train_flags]
    train += ["--seed", str(seed), "--save-dir", str(save_dir)]
    evaluate = ["bash", "scripts/evaluate.sh", str(save_dir), str(data_bin)]
    evaluate += ["--average", str(AVERAGED)]
    return Run(cell, config, seed, save_dir, train, evaluate)


def _require_fit(seeds: Sequence[int], train_flags: Sequence[str]) -> None:
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"--seeds must have no number twice, but are {' '.join(map(str, seeds))}.")
    for word in train_flags:
        if word.partition("=")[0] in SET_HERE:
            raise UsageError(f"{word} must be left out, since the plan sets it, but is given.")
