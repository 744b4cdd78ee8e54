"""Models as rows: what each is, what it costs, and what the paper prints for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.mechanisms import SIDES
from attn_nmt.study import paper
from attn_nmt.study.costs.actual import actual_costs
from attn_nmt.study.costs.model import mechanism_costs
from attn_nmt.study.describe import describe
from attn_nmt.study.flags import arch_of_size, read_config
from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.tables import Row

GIGA, MEGA = 10**9, 10**6
PAPER_SIZE = "wmt_en_de"


@dataclass(frozen=True)
class Model:
    """What a row is about."""

    name: str
    arch: str
    config: AttnTransformerConfig
    grid: str | None = None
    compared_to: str | None = None


def model_row(model: Model, length: int, sentences: int | None = None) -> Row:
    """Return what a model is and costs.

    ``gmacs`` are the formulas' for one pair of sentences of ``length`` tokens, in 10^9 multiply-
    adds; ``actual_gmacs`` those counted in a batch of ``sentences``, None without a number.
    """
    parts = mechanism_costs(model.config, length)
    gmacs = sum(part.multiply_adds for part in parts) / GIGA
    printed = printed_gflops(model.config)
    return {
        "grid": model.grid,
        "name": model.name,
        "arch": model.arch,
        **describe(model.config),
        "length": length,
        "parameters": sum(part.parameters for part in parts),
        "gmacs": gmacs,
        "paper_gmacs": printed,
        "difference": None if printed is None else round(gmacs - printed, 9),
        "actual_gmacs": None if sentences is None else _actual(model.config, length, sentences),
        "percent": None,
        "paper_percent": None,
    }


def printed_gflops(config: AttnTransformerConfig) -> float | None:
    """Return what the paper prints for a model of this structure, None if it prints nothing."""
    return _printed_gflops().get(_structure(config))


def add_percents(rows: list[Row], models: Sequence[Model]) -> None:
    """Set ``percent``: how many more multiply-adds a row takes than the one it is compared to."""
    by_name = {(row["grid"], row["name"]): row for row in rows}
    for row, model in zip(rows, models, strict=True):
        before = by_name.get((model.grid, model.compared_to))
        if before is None:
            continue
        row["percent"] = 100 * (row["gmacs"] / before["gmacs"] - 1)
        if row["paper_gmacs"] is not None:
            pair = (str(model.compared_to), model.name)
            row["paper_percent"] = paper.printed_percents().get(pair)


def layer_rows(model: Model, length: int, sentences: int | None = None) -> list[Row]:
    """Return a row a mechanism of every layer: 10^6 multiply-adds, and parameters."""
    actual = {} if sentences is None else actual_costs(model.config, length, sentences)
    rows = []
    for part in mechanism_costs(model.config, length):
        counted = actual.get((part.side, part.layer), {}).get(part.name)
        rows.append(
            {
                "grid": model.grid,
                "name": model.name,
                "side": part.side,
                "layer": part.layer,
                "mechanism": part.name,
                "setting": part.setting,
                "parameters": part.parameters,
                "mmacs": part.multiply_adds / MEGA,
                "actual_mmacs": None if counted is None else counted / MEGA,
                "products": " ".join(f"{name}={n}" for name, n in part.products.items() if n),
            }
        )
    return rows


def _actual(config: AttnTransformerConfig, length: int, sentences: int) -> float:
    counts = actual_costs(config, length, sentences)
    return sum(sum(layer.values()) for layer in counts.values()) / GIGA


def _structure(config: AttnTransformerConfig) -> tuple[object, ...]:
    """Return what a model is made of, so that it is known whatever its name."""
    layers = config.layer_configs()
    return tuple(layer for side in SIDES for layer in layers[side])


@cache
def _printed_gflops() -> dict[tuple[object, ...], float]:
    printed = paper.printed("gflops")
    return {
        _structure(read_config(arch_of_size(PAPER_SIZE), cell.flags)): printed[cell.name]
        for name in ("table2", "table3")
        for cell in GRIDS[name]
    }
