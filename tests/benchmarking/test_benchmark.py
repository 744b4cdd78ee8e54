"""What ``scripts/benchmark.py`` compares, and what it writes."""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from attn_nmt.benchmarking import batches
from attn_nmt.benchmarking.__main__ import main
from attn_nmt.benchmarking.goals import GOALS, Row
from attn_nmt.benchmarking.layout import comparison
from attn_nmt.benchmarking.lengths import exponent
from attn_nmt.benchmarking.memory import peak_memory
from attn_nmt.benchmarking.models import OTHERS, Model, build, dictionary
from attn_nmt.benchmarking.roofline import multiply_adds
from attn_nmt.benchmarking.rows import measure
from attn_nmt.benchmarking.timing import interleaved, ratio
from attn_nmt.benchmarking.work import WORK, Sizes
from attn_nmt.study.flags import read_config

SMALL = Sizes(tokens=40, sentences=3, beam=2, length=30, vocabulary=50)
TINY = "attn0010_deformable_tiny"


@pytest.mark.parametrize("other", OTHERS)
def test_the_other_model_has_the_same_widths(other: str) -> None:
    model = Model(TINY, {"encoder_layers": 1, "decoder_ffn_embed_dim": 96})
    own = build(model, dictionary(50))
    stock = build(model.against(other), dictionary(50))
    assert not type(stock).__module__.startswith("attn_nmt")
    for side in ("encoder", "decoder"):
        assert len(getattr(own, side).layers) == len(getattr(stock, side).layers)
        pairs = zip(getattr(own, side).layers, getattr(stock, side).layers, strict=True)
        assert all(one.fc1.weight.shape == two.fc1.weight.shape for one, two in pairs)
        for layer in getattr(stock, side).layers:
            dropout = layer.dropout_module
            assert dropout.p == getattr(own, side).layers[0].dropout_module.p
    assert stock.encoder.embed_tokens.weight is stock.decoder.embed_tokens.weight


def test_every_goal_names_a_model_and_its_work() -> None:
    for row in GOALS:
        assert row.work in WORK
        assert row.other in OTHERS
        read_config(row.model.arch, row.model.flags)


def test_rows_that_differ_in_flags_alone_are_measured_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = Counter[str]()

    def step(model: Model, _: Sizes) -> Any:
        return lambda: calls.update([f"{model.arch} {model.flags} {model.like}"])

    monkeypatch.setitem(WORK, "encoding", step)
    models = [Model(TINY, {"encoder_layers": layers}) for layers in (1, 2)]
    list(measure([Row("encoding", model, sizes=SMALL) for model in models], 3, 1.0))
    own = [calls[f"{model.arch} {model.flags} None"] for model in models]
    assert own[0] == own[1] > 3
    assert len(calls) == 3


@pytest.mark.parametrize("arch", ["transformer", TINY])
@pytest.mark.parametrize("work", WORK)
def test_a_step_of_each_kind(work: str, arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, built = Model(TINY), []
    model = model.against(arch) if arch in OTHERS else model

    def remember(*arguments: Any) -> Any:
        built.append(build(*arguments))
        return built[-1]

    monkeypatch.setattr("attn_nmt.benchmarking.work.build", remember)
    step = WORK[work](model, SMALL)
    (module,) = built
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    tokens: list[int] = []
    decode = module.decoder.forward

    def count(previous: torch.Tensor, *rest: Any, **options: Any) -> Any:
        tokens.append(previous.size(1))
        return decode(previous, *rest, **options)

    # The search calls it by this name.
    module.decoder.forward = count
    step()
    changed = [name for name, p in module.named_parameters() if not p.equal(before[name])]
    assert bool(changed) == (work == "training")
    if work == "decoding":
        # A step a token and one for the end of the sentence.
        assert tokens == list(range(1, batches.LONGEST + 1))
    if work == "encoding":
        assert module.encoder.layers[0].fc1.weight.grad.abs().sum() > 0


def test_batches() -> None:
    source, target = batches.with_tokens(200, 50)
    assert 200 <= target.ne(batches.PAD).sum() < 200 + batches.LONGEST
    assert torch.equal(source.eq(batches.PAD), target.eq(batches.PAD))
    assert not torch.equal(source, target)
    assert len(batches.with_sentences(7, 50)) == 7


def test_times_take_turns_and_the_ratio_is_by_round() -> None:
    order: list[str] = []
    times = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3
    assert [len(found) for found in times.values()] == [2, 2]
    own, other = [1.0, 9.0, 4.0], [2.0, 3.0, 4.0]
    assert ratio(own, other) == (
        statistics.median([0.5, 3.0, 1.0]),
        0.75,
        2.0,
    )


def test_multiply_adds_of_a_product_and_a_convolution() -> None:
    linear, convolution = nn.Linear(6, 5), nn.Conv1d(3, 4, 2)
    assert multiply_adds(lambda: linear(torch.randn(7, 6))) == 7 * 6 * 5
    assert multiply_adds(lambda: convolution(torch.randn(1, 3, 9))) == 8 * 3 * 2 * 4


@pytest.mark.parametrize(
    ("time", "memory", "verdict"),
    [(0.9, 1.1, "yes"), (1.01, 1.0, "no"), (0.9, 1.11, "no"), (None, None, "")],
)
def test_a_goal_is_met_by_time_and_memory(
    time: float | None, memory: float | None, verdict: str
) -> None:
    row = {
        "work": "training",
        "model": "m",
        "flags": {"a_b": 3, "c": True},
        "against": "o",
        "device": "CPU",
        "goal": 1.0,
        "time": time,
        "low": 0.8,
        "high": 1.0,
        "memory goal": 1.1,
        "memory": memory,
        "roofline": None,
    }
    shown = comparison(row)
    assert shown["met"] == verdict
    assert shown["model"] == "`m --a-b 3 --c`"
    assert (shown["time"] == "not measured") == (time is None)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *arguments])
    main()


def test_table_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "rows.json"
    run(
        monkeypatch,
        "decoding",
        TINY,
        "--rounds",
        "2",
        "--sentences",
        "2",
        "--beam",
        "2",
        "--vocabulary",
        "50",
        "--encoder-layers",
        "1",
        "--json",
        str(target),
    )
    (row,) = json.loads(target.read_text())
    assert row["flags"] == {"encoder_layers": 1}
    assert 0 < row["low"] <= row["time"] <= row["high"]
    assert 0 < row["roofline"] < 1
    for parts in (row["shares"], row["other shares"]):
        assert sum(parts.values()) == pytest.approx(1.0)
        assert min(parts.values()) > 0
    header, _, line = capsys.readouterr().out.strip().split("\n\n")[0].splitlines()
    cells = dict(zip(header.strip("| ").split(" | "), line.strip("| ").split(" | "), strict=False))
    assert cells["time"] == f"{row['time']:.2f}"
    assert cells["model"] == f"`{TINY} --encoder-layers 1`"


def test_rows_before_an_interruption_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: Any) -> Any:
        yield {"mechanism": "first", "time exponent": 1.0}
        raise KeyboardInterrupt

    monkeypatch.setattr("attn_nmt.benchmarking.__main__.measure_lengths", interrupted)
    target = tmp_path / "rows.json"
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, "lengths", "--json", str(target))
    assert json.loads(target.read_text()) == [{"mechanism": "first", "time exponent": 1.0}]
    assert "| first | 1.00 |" in capsys.readouterr().out


def test_a_linear_mechanism_has_an_exponent_of_one() -> None:
    assert exponent([64, 128, 512], [3.0, 6.0, 24.0]) == pytest.approx(1.0)
    assert exponent([64, 128, 512], [3.0, 12.0, 192.0]) == pytest.approx(2.0)


def test_peak_memory_is_that_of_the_first_step() -> None:
    small, large = (peak_memory(filling, megabytes) for megabytes in (20, 120))
    assert 90 < (large - small) / 2**20 < 110


def filling(megabytes: int) -> Any:
    return lambda: torch.ones(megabytes * 2**18).sum()
