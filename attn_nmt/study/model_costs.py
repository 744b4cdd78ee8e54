"""What a model costs: multiply-adds by the formulas and as computed, parameters, and rows of both.

From top to bottom: the sum of the formulas of :mod:`attn_nmt.models.costs` over a model, what its
layers really compute, and rows that compare both with the numbers of the paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from attn_nmt.models import costs
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.costs import Products
from attn_nmt.models.layers import DecoderLayer, EncoderLayer
from attn_nmt.models.mechanisms import SIDES, LayerConfig
from attn_nmt.study import paper
from attn_nmt.study.flags import arch_of_size, describe, read_config
from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.tables import Row

GIGA, MEGA = 10**9, 10**6
PAPER_SIZE = "wmt_en_de"
Counts = dict[str, float]


@dataclass(frozen=True)
class MechanismCost:
    """One mechanism of one layer; its layer norm counts among its parameters."""

    side: str
    layer: int
    """From 1; 0 stands for the norms around a stack of layers."""
    name: str
    """As the module is called: "deformable", "self_attn", ...; "feed_forward" for fc1 and fc2."""
    setting: str
    """Such as "1111", "0110 span 13", "dynamic 31 taps"."""
    products: Products
    parameters: int

    @property
    def multiply_adds(self) -> int:
        """The sum over all products."""
        return sum(self.products.values())


def mechanism_costs(config: AttnTransformerConfig, length: int) -> list[MechanismCost]:
    """Return every mechanism of the model in order, for ``length`` tokens on both sides.

    Raises:
        ValueError: if a flag breaks its rule.
    """
    layers = config.layer_configs()
    return [
        mechanism
        for side in SIDES
        for mechanism in (
            *_outer_norms(config, side),
            *(
                mechanism
                for number, layer in enumerate(layers[side], start=1)
                for mechanism in _layer_costs(layer, number, length)
            ),
        )
    ]


def _layer_costs(layer: LayerConfig, number: int, length: int) -> Iterator[MechanismCost]:
    """Yield the mechanisms of a layer, the feed-forward sublayer in its place among them."""
    norm = costs.layer_norm_parameters(width=layer.embed_dim)
    rows = {
        name: MechanismCost(
            layer.side,
            number,
            name,
            mechanism.setting(layer),
            mechanism.products(layer, length),
            mechanism.parameters(layer) + (norm if mechanism.has_layer_norm(layer) else 0),
        )
        for name, mechanism in layer.mechanisms().items()
    }
    inner = {"width": layer.embed_dim, "inner_width": layer.ffn_embed_dim}
    broadcast = rows.pop("context_broadcast", None)
    yield from rows.values()
    yield MechanismCost(
        layer.side,
        number,
        "feed_forward",
        f"{layer.ffn_embed_dim} channels",
        costs.feed_forward_products(tokens=length, **inner),
        costs.feed_forward_parameters(**inner) + norm,
    )
    if broadcast is not None:
        yield broadcast


def _outer_norms(config: AttnTransformerConfig, side: str) -> Iterator[MechanismCost]:
    """Yield the norms that belong to no layer: that of the embeddings, and the last if pre-norm."""
    norm = costs.layer_norm_parameters(width=getattr(config, f"{side}_embed_dim"))
    if config.layernorm_embedding:
        yield MechanismCost(side, 0, "layernorm_embedding", "", {}, norm)
    if getattr(config, f"{side}_normalize_before"):
        yield MechanismCost(side, 0, "layer_norm", "", {}, norm)


def actual_costs(
    config: AttnTransformerConfig, length: int, sentences: int = 1
) -> dict[tuple[str, int], Counts]:
    """Return multiply-adds per sentence by (side, layer from 1), and there by mechanism.

    A batch is ``sentences`` of ``length`` tokens each, both sides alike, without padding; no
    dropout, and gradients on, as in training.

    PyTorch's FlopCounterMode counts the matrix products of one forward pass of the real modules.
    They run on the meta device, that is without numbers, since it does not count the CPU's fused
    attention. Two of its flops are one multiply-add. It differs from the formulas:

    - 0010 and 0000 without a span weigh the values once per sentence, in the decoder cumulatively;
    - 0001 has one energy per distance, not per pair;
    - in (q + v) . r a query is multiplied with every distance of the sentence, also beyond its
      ends;
    - distances are projected once per batch, not once per sentence;
    - a span is cut into blocks, and a kernel written as a matrix: more products than keys in the
      window;
    - only matrix products are counted, not interpolation or context broadcasting.

    Raises:
        ValueError: if a flag breaks its rule.
    """
    layers = config.layer_configs()

    @cache
    def count(layer: LayerConfig) -> Counts:
        return _count(config, layer, length, sentences)

    return {
        (side, number): count(layer)
        for side in SIDES
        for number, layer in enumerate(layers[side], start=1)
    }


def _count(
    config: AttnTransformerConfig, layer: LayerConfig, length: int, sentences: int
) -> Counts:
    nested = config.to_transformer_config()
    with torch.device("meta"), torch.enable_grad():
        x = torch.empty(length, sentences, layer.embed_dim)
        counter = FlopCounterMode(display=False)
        if layer.side == "encoder":
            encoder = EncoderLayer(nested, layer).eval()
            with counter:
                encoder(x, None)
        else:
            decoder = DecoderLayer(nested, layer).eval()
            with counter:
                decoder(x, x)
    counts: dict[str, float] = {
        name.partition(".")[2]: sum(flops.values()) / 2 / sentences
        for name, flops in counter.get_flop_counts().items()
    }
    counts["feed_forward"] = counts.pop("fc1") + counts.pop("fc2")
    # A name with a full stop is a part of a mechanism, the empty one the whole layer.
    return {name: number for name, number in counts.items() if name and "." not in name}


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
    """Return one row per mechanism of every layer: 10^6 multiply-adds, and parameters."""
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
