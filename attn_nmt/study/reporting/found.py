"""What the folders of ``run`` hold: of each grid its cells, of each cell its seeds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from attn_nmt.command_line import UsageError
from attn_nmt.study.grids.cells import GRIDS, Cell
from attn_nmt.study.reporting.reading import read_checked_result, read_environment, read_failure

_SEED = re.compile(r"seed([1-9]\d*)")


@dataclass(frozen=True)
class FoundRun:
    """One seed of one cell, finished or not."""

    cell: str
    seed: int
    folder: Path
    result: dict[str, Any] | None
    environment: dict[str, Any]
    failure: str | None
    """One line, of a run that failed."""


@dataclass(frozen=True)
class FoundCell:
    """One cell of a grid, of which there may be no run at all."""

    name: str
    before: str | None
    """The cell that it is set against."""
    flags: dict[str, Any] | None
    """What a grid of the paper sets; None of a cell that is of no such grid."""
    runs: tuple[FoundRun, ...]

    @property
    def finished(self) -> list[FoundRun]:
        """The runs that have a result, by seed."""
        return [run for run in self.runs if run.result is not None]


@dataclass(frozen=True)
class FoundGrid:
    """One grid."""

    name: str
    cells: tuple[FoundCell, ...]

    @property
    def runs(self) -> list[FoundRun]:
        """All runs, cell by cell."""
        return [run for cell in self.cells for run in cell.runs]

    @property
    def finished(self) -> list[FoundRun]:
        """All runs that have a result, cell by cell."""
        return [run for cell in self.cells for run in cell.finished]

    @property
    def seeds(self) -> list[int]:
        """Every seed that any cell was started with."""
        return sorted({run.seed for run in self.runs})

    def cell(self, name: str | None) -> FoundCell | None:
        """Return a cell by its name, None if there is none."""
        return next((cell for cell in self.cells if cell.name == name), None)


def find_grids(runs: Path, baseline: str | None = None) -> list[FoundGrid]:
    """Return the grids of ``RUNS/GRID/CELL/seedN``, those of the paper first.

    Args:
        runs: RUNS, or the folder of one grid.
        baseline: the cell that all others are set against, in every grid that has it.

    Raises:
        UsageError: if there is no run, no such cell, or a file of a run is broken.
    """
    if not runs.is_dir():
        raise UsageError(f"RUNS must be a folder, but {runs} is none.")
    folders = [runs] if _cells(runs) else [folder for folder in _folders(runs) if _cells(folder)]
    if not folders:
        raise UsageError(f"RUNS must hold runs in GRID/CELL/seedN, but {runs} holds none.")
    by_name = {folder.resolve().name: folder for folder in folders}
    order = [name for name in GRIDS if name in by_name]
    order += [name for name in by_name if name not in GRIDS]
    _require_known(baseline, [cell for name in order for cell in _names(name, by_name[name])])
    return [_grid(name, by_name[name], baseline) for name in order]


def _grid(name: str, folder: Path, baseline: str | None) -> FoundGrid:
    planned = {cell.name: cell for cell in GRIDS.get(name, [])}
    names = _names(name, folder)
    common = baseline if baseline in names else None
    return FoundGrid(name, tuple(_cell(folder / cell, planned.get(cell), common) for cell in names))


def _cell(folder: Path, planned: Cell | None, baseline: str | None) -> FoundCell:
    before = baseline or (planned.compared_to if planned else None)
    runs = sorted((_run(path) for path in _seeds(folder)), key=lambda run: run.seed)
    return FoundCell(
        folder.name,
        None if before == folder.name else before,
        planned.flags if planned else None,
        tuple(runs),
    )


def _run(folder: Path) -> FoundRun:
    match = _SEED.fullmatch(folder.name)
    assert match is not None
    cell, seed = folder.parent.name, int(match[1])
    return FoundRun(
        cell,
        seed,
        folder,
        read_checked_result(folder, cell, seed),
        read_environment(folder),
        read_failure(folder),
    )


def _names(grid: str, folder: Path) -> list[str]:
    """Return the cells that a grid of the paper has, and then those that are only there."""
    planned = [cell.name for cell in GRIDS.get(grid, [])]
    return planned + [path.name for path in _cells(folder) if path.name not in planned]


def _cells(grid: Path) -> list[Path]:
    return [folder for folder in _folders(grid) if _seeds(folder)]


def _seeds(cell: Path) -> list[Path]:
    return [folder for folder in _folders(cell) if _SEED.fullmatch(folder.name)]


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return sorted(found)


def _require_known(baseline: str | None, names: list[str]) -> None:
    if baseline is not None and baseline not in names:
        (near,) = get_close_matches(baseline, names, n=1, cutoff=0.0)
        raise UsageError(
            f"--baseline must be a cell that is there, but is {baseline!r}; "
            f"the nearest is {near!r}."
        )
