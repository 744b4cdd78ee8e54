"""Finished runs as files that are small enough to commit: what ``report`` reads, and no more.

    OUT/GRID/grid.json             which cells and seeds were planned
    OUT/GRID/speed.json            what `speed` measured, if it did
    OUT/GRID/p_values.json         of each cell against its baseline, where the corpus is at hand
    OUT/GRID/CELL/seedN/           result.json, environment.json, the losses of train.log, and the
                                   evaluation's hypotheses and scores

Corpora and checkpoints stay where they are, and so do names of machines. What an earlier call has
collected stays, so that runs of several machines come together; copied back beside the data, they
are finished runs to ``run``.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.runs import IN_TRAIN
from attn_nmt.study.reporting.results import GridResults, SeedResult
from attn_nmt.study.reporting.seed_tests import seed_tests
from attn_nmt.study.running import run_directory as files
from attn_nmt.study.running.training_log import loss_lines

_SCORES = "scores.json"
_OF_THE_MACHINE = ("node", "platform")
"""Names that say nothing about a result."""


def collect(grids: Sequence[GridResults], out: Path, samples: int) -> list[Path]:
    """Copy the finished runs; return their new directories.

    Args:
        grids: the results, each cell with the baseline that it is tested against.
        out: the directory for all grids.
        samples: those of each test within a seed.

    Raises:
        UsageError: if a run lacks one of its files, or a different result of it is there already.
    """
    copied = []
    for grid in grids:
        directory = out / grid.name
        for run in grid.finished:
            target = directory / run.cell / run.directory.name
            _require_same(run, target)
            _copy(run, target)
            copied.append(target)
        if grid.finished:
            _update_plan(directory / files.PLAN, grid)
            _update_p_values(directory / files.P_VALUES, grid, samples)
            if grid.speed is not None:
                files.write_json(directory / files.SPEED, asdict(grid.speed))
    return copied


def _require_same(run: SeedResult, target: Path) -> None:
    existing = files.read_result(target)
    if existing is not None and existing["scores"] != _result(run)["scores"]:
        raise UsageError(
            f"{target} must be new or of the same training, but holds a result of "
            f"{existing['scores']['bleu']:.2f} BLEU where {run.directory} has "
            f"{_result(run)['scores']['bleu']:.2f}."
        )


def _copy(run: SeedResult, target: Path) -> None:
    # As the user wrote it, and not from the root of this machine.
    data_bin, _ = _result(run)["train"][IN_TRAIN]
    result = {**_result(run), "data_bin": str(data_bin)}
    evaluation = run.directory / str(result["evaluation"])
    texts = [evaluation / _SCORES, *evaluation.glob("hypotheses.*")]
    for path in (*texts, run.directory / files.TRAIN_LOG):
        if not path.is_file():
            raise UsageError(f"{path} must exist, since its run is finished, but is missing.")
    (target / evaluation.name).mkdir(parents=True, exist_ok=True)
    for path in texts:
        shutil.copyfile(path, target / evaluation.name / path.name)
    losses = loss_lines(run.directory / files.TRAIN_LOG)
    files.write_text(target / files.TRAIN_LOG, losses)
    environment = {
        name: value for name, value in run.environment.items() if name not in _OF_THE_MACHINE
    }
    files.write_json(target / files.ENVIRONMENT, environment)
    files.write_json(target / files.RESULT, result)  # the last: with it, the run is there


def _update_plan(path: Path, grid: GridResults) -> None:
    """Add to the cells and seeds of earlier calls; the order is that of this one."""
    earlier = files.read_object(path) if path.is_file() else {}
    names = dict.fromkeys([*(cell.name for cell in grid.cells), *earlier.get("cells", [])])
    numbers = sorted({*grid.seeds, *earlier.get("seeds", [])})
    own = {cell.name: list(cell.seeds) for cell in grid.cells}
    fewer = {
        **{name: seeds for name, seeds in earlier.get("seeds_of", {}).items() if name not in own},
        **{name: seeds for name, seeds in own.items() if len(seeds) < len(grid.seeds)},
    }
    plan = {"cells": list(names), "seeds": numbers}
    files.write_json(path, {**plan, "seeds_of": fewer} if fewer else plan)


def _update_p_values(path: Path, grid: GridResults, samples: int) -> None:
    recorded = files.read_object(path) if path.is_file() else {}
    for cell in grid.cells:
        baseline = grid.cell(cell.baseline)
        if baseline is None:
            continue
        for test in seed_tests(baseline, cell, samples):
            if test.p_value is not None:
                seeds = recorded.setdefault(cell.name, {}).setdefault(baseline.name, {})
                seeds[str(test.seed)] = {
                    "difference": test.difference,
                    "samples": samples,
                    "p_value": test.p_value,
                }
    files.write_json(path, recorded)


def _result(run: SeedResult) -> dict[str, Any]:
    assert run.result is not None
    return run.result
