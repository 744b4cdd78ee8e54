"""The results of ``run``: of each grid its cells, of each cell its seeds, their files checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any, TypeGuard, TypeVar, get_origin, get_type_hints

from attn_nmt.command_line import UsageError, shown
from attn_nmt.study.grids.cells import GRIDS, Cell
from attn_nmt.study.running.run_directory import (
    ENVIRONMENT,
    FAILURE,
    P_VALUES,
    PLAN,
    RESULT,
    SPEED,
    read_object,
    read_result,
)

Entry = TypeVar("Entry")

_SEED = re.compile(r"seed([1-9]\d*)")

_NUMBER = (int, float)
_RESULT_TYPES: dict[str, tuple[type, ...]] = {
    "cell": (str,),
    "seed": (int,),
    "arch": (str,),
    "flags": (dict,),
    "train_flags": (dict,),
    "varied": (list,),
    "train": (list,),
    "averaged": (bool,),
    "checkpoints": (list,),
    "length": (int,),
    "gmacs": _NUMBER,
    "parameters": (int,),
    "updates": (int,),
    "tokens_per_second": (*_NUMBER, type(None)),
}
_SCORE_TYPES: dict[str, tuple[type, ...]] = {
    "bleu": _NUMBER,
    "bleu_compound_split": _NUMBER,
    "bleu_signature": (str,),
    "sentences": (int,),
}


@dataclass(frozen=True)
class SeedResult:
    """One seed of one cell, finished or not."""

    cell: str
    seed: int
    directory: Path
    result: dict[str, Any] | None
    """None if the run is not finished."""
    environment: dict[str, Any]
    failure: str | None
    """Why the last start failed, in one line."""


@dataclass(frozen=True)
class Speed:
    """How long the cells take, relative to one of them."""

    processor: str
    threads: int
    rounds: int
    size: str
    """Of the models, as in ``--arch``."""
    vocabulary: int
    tokens: int
    """Target tokens of a training step."""
    sentences: int
    """Sentences that are translated together."""
    beam: int
    baseline: str
    times: dict[str, dict[str, float]]
    """Of each cell, by "training" and "decoding"."""


_SPEED_TYPES = {name: (get_origin(kind) or kind,) for name, kind in get_type_hints(Speed).items()}


@dataclass(frozen=True)
class RecordedTest:
    """A paired test within a seed that was made elsewhere, with the corpus at hand."""

    difference: float
    """In BLEU, of the runs that were tested."""
    samples: int
    p_value: float


@dataclass(frozen=True)
class CellResults:
    """One cell of a grid, perhaps without any run."""

    name: str
    baseline: str | None
    """The cell that it is compared with."""
    runs: tuple[SeedResult, ...]
    seeds: tuple[int, ...] = ()
    """Every seed that was planned for it; without a plan for it alone, for any cell."""
    recorded_tests: dict[str, dict[int, RecordedTest]] = field(default_factory=dict)
    """Those of a collection, by baseline and seed."""

    @property
    def finished(self) -> list[SeedResult]:
        """The runs that have a result, by seed."""
        return [run for run in self.runs if run.result is not None]


@dataclass(frozen=True)
class GridResults:
    """One grid."""

    name: str
    cells: tuple[CellResults, ...]
    speed: Speed | None = None
    """What ``study speed`` measured, if that is there."""

    @property
    def runs(self) -> list[SeedResult]:
        """All runs, cell by cell."""
        return [run for cell in self.cells for run in cell.runs]

    @property
    def finished(self) -> list[SeedResult]:
        """All runs that have a result, cell by cell."""
        return [run for cell in self.cells for run in cell.finished]

    @property
    def seeds(self) -> list[int]:
        """Every seed that was planned, or that any cell was started with."""
        return sorted({seed for cell in self.cells for seed in cell.seeds})

    @property
    def planned_count(self) -> int:
        """How many runs there are when all is finished."""
        return sum(len(cell.seeds) for cell in self.cells)

    def cell(self, name: str | None) -> CellResults | None:
        """Return a cell by its name, None if there is none."""
        return next((cell for cell in self.cells if cell.name == name), None)


def find_grids(runs: Path, baseline: str | None = None) -> list[GridResults]:
    """Return the grids of ``RUNS/GRID/CELL/seedN``, those of the paper first.

    Args:
        runs: RUNS, or the directory of one grid.
        baseline: the cell that all others are compared with, in every grid that has it.

    Raises:
        UsageError: if there is no run, no such cell, or a file of a run is broken.
    """
    if not runs.is_dir():
        raise UsageError(f"RUNS must be a directory, but {runs} is not one.")
    grids = [runs] if _is_grid(runs) else [path for path in _subdirectories(runs) if _is_grid(path)]
    if not grids:
        raise UsageError(f"RUNS must hold runs in GRID/CELL/seedN, but {runs} holds none.")
    by_name = {directory.resolve().name: directory for directory in grids}
    order = [name for name in GRIDS if name in by_name]
    order += [name for name in by_name if name not in GRIDS]
    found = [_grid(name, by_name[name], baseline) for name in order]
    if baseline is not None:
        _require_cell(baseline, [cell.name for grid in found for cell in grid.cells])
    return found


def _grid(name: str, directory: Path, baseline: str | None) -> GridResults:
    planned = {cell.name: cell for cell in GRIDS.get(name, [])}
    planned_cells, seeds, seeds_of = _plan(directory)
    names = planned_cells or [cell.name for cell in GRIDS.get(name, [])]
    names += [path.name for path in _cells(directory) if path.name not in names]
    common = baseline if baseline in names else None
    tests = _recorded_tests(directory / P_VALUES)
    cells = [
        _cell(directory / cell, planned.get(cell), common, tests.get(cell, {})) for cell in names
    ]
    all_seeds = {*seeds, *(run.seed for cell in cells for run in cell.runs)}
    cells = [
        replace(cell, seeds=_union(seeds_of[cell.name], (run.seed for run in cell.runs)))
        if cell.name in seeds_of
        else replace(cell, seeds=_union(all_seeds))
        for cell in cells
    ]
    return GridResults(name, tuple(cells), _speed(directory / SPEED))


def _union(*seeds: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(chain(*seeds))))


def _speed(path: Path) -> Speed | None:
    """Return what was measured, None if there is no file.

    Raises:
        UsageError: if the file was not written by ``speed``.
    """
    if not path.is_file():
        return None
    content = read_object(path)
    _require(path, content, _SPEED_TYPES, "of `study speed`")
    try:
        speed = Speed(**content)
        for times in speed.times.values():
            for time in times.values():
                float(time)
    except (AttributeError, TypeError, ValueError) as error:
        raise UsageError(f"{path} must be of `study speed`, but is not: {error}.") from error
    return speed


def _cell(
    directory: Path,
    planned: Cell | None,
    common_baseline: str | None,
    recorded_tests: dict[str, dict[int, RecordedTest]],
) -> CellResults:
    baseline = common_baseline or (planned.compared_to if planned else None)
    runs = sorted((_run(path) for path in _seeds(directory)), key=lambda run: run.seed)
    return CellResults(
        directory.name,
        None if baseline == directory.name else baseline,
        tuple(runs),
        recorded_tests=recorded_tests,
    )


def _recorded_tests(path: Path) -> dict[str, dict[str, dict[int, RecordedTest]]]:
    """Return the tests of a collection by cell, baseline and seed.

    Raises:
        UsageError: if the file was not written by ``collect``.
    """
    if not path.is_file():
        return {}
    try:
        return {
            cell: {
                baseline: {int(seed): _recorded_test(**test) for seed, test in seeds.items()}
                for baseline, seeds in baselines.items()
            }
            for cell, baselines in read_object(path).items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise UsageError(f"{path} must be of `study collect`, but is not: {error}.") from error


def _recorded_test(*, difference: Any, samples: Any, p_value: Any) -> RecordedTest:
    return RecordedTest(float(difference), int(samples), float(p_value))


def _run(directory: Path) -> SeedResult:
    match = _SEED.fullmatch(directory.name)
    assert match is not None
    cell, seed = directory.parent.name, int(match[1])
    return SeedResult(
        cell,
        seed,
        directory,
        _checked_result(directory, cell, seed),
        _environment(directory),
        _failure(directory),
    )


def _plan(grid: Path) -> tuple[list[str], list[int], dict[str, list[int]]]:
    """Return the cells, in the grid's order, and seeds of the last start; of an old one, none.

    The last value has the seeds of each cell that has fewer.

    Raises:
        UsageError: if the file was not written by ``run``.
    """
    path = grid / PLAN
    if not path.is_file():
        return [], [], {}
    plan = read_object(path)
    cells, seeds = plan.get("cells"), plan.get("seeds")
    if not _is_list(cells, str) or any(Path(cell).name != cell for cell in cells):
        raise UsageError(f"{path} must be of `study run`, but its cells are {shown(cells)}.")
    if not _is_list(seeds, int):
        raise UsageError(f"{path} must be of `study run`, but its seeds are {shown(seeds)}.")
    seeds_of = plan.get("seeds_of", {})
    if not isinstance(seeds_of, dict) or not all(_is_list(own, int) for own in seeds_of.values()):
        raise UsageError(f"{path} must be of `study run`, but its seeds_of is {shown(seeds_of)}.")
    return list(dict.fromkeys(cells)), seeds, seeds_of


def _is_list(value: Any, kind: type[Entry]) -> TypeGuard[list[Entry]]:
    # Not isinstance: True is an int too.
    return isinstance(value, list) and all(type(entry) is kind for entry in value)


def _is_grid(directory: Path) -> bool:
    return (directory / PLAN).is_file() or bool(_cells(directory))


def _cells(grid: Path) -> list[Path]:
    return [path for path in _subdirectories(grid) if _seeds(path)]


def _seeds(cell: Path) -> list[Path]:
    return [path for path in _subdirectories(cell) if _SEED.fullmatch(path.name)]


def _subdirectories(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    paths = (path for path in directory.iterdir() if path.is_dir())
    return sorted(path for path in paths if not path.name.startswith("."))


def _require_cell(baseline: str, names: list[str]) -> None:
    if baseline not in names:
        (nearest,) = get_close_matches(baseline, names, n=1, cutoff=0.0)
        raise UsageError(
            f"--baseline must be a cell that is there, but is {baseline!r}; "
            f"the nearest is {nearest!r}."
        )


def _checked_result(directory: Path, cell: str, seed: int) -> dict[str, Any] | None:
    """Return the result of a finished run, with everything that a report reads, or None.

    Raises:
        UsageError: if the file was not written by ``run``, or belongs to another cell or seed.
    """
    result, path = read_result(directory), directory / RESULT
    if result is None:
        return None
    # The first versions of ``run`` did not write these.
    result.setdefault("train_flags", {})
    result.setdefault("varied", [])
    _require(path, result, _RESULT_TYPES, "a result of a run")
    _require(path, result["scores"], _SCORE_TYPES, "a result of a run")
    if (result["cell"], result["seed"]) != (cell, seed):
        raise UsageError(
            f"{path} must be of cell {cell}, seed {seed}, "
            f"but is of cell {result['cell']}, seed {result['seed']}."
        )
    return result


def _require(
    path: Path, values: dict[str, Any], types: Mapping[str, tuple[type, ...]], what: str
) -> None:
    for name, allowed in types.items():
        if name not in values:
            raise UsageError(f"{path} must be {what}, but has no {name}.")
        value = values[name]
        # Not isinstance: True is an int too.
        if type(value) not in allowed or (isinstance(value, float) and not isfinite(value)):
            raise UsageError(f"{path} must be {what}, but its {name} is {value!r}.")


def _environment(directory: Path) -> dict[str, Any]:
    """Return what the run depended on; empty if the file is missing.

    Raises:
        UsageError: if the file is not a JSON object.
    """
    path = directory / ENVIRONMENT
    return read_object(path) if path.is_file() else {}


def _failure(directory: Path) -> str | None:
    """Return in one line why the last start failed, or None if it did not."""
    path = directory / FAILURE
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
    # A traceback ends with the error; the file of a failed command begins with it, above its log.
    return lines[-1 if lines[0].startswith("Traceback ") else 0]
