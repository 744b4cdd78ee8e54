"""Rows with goals, measured apart and judged; and what ``scripts/benchmark.py`` writes."""

from __future__ import annotations

import json
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from support.commandline import ROOT

from attn_nmt.benchmarking import comparison, measures, peers, work
from attn_nmt.benchmarking.__main__ import main
from attn_nmt.benchmarking.comparison import (
    GOALS,
    Row,
    comparison_table,
    measure,
    shares_table,
    with_peers,
)
from attn_nmt.benchmarking.models import BASELINES, Model, dictionary
from attn_nmt.benchmarking.peers import peer_decoding
from attn_nmt.benchmarking.work import WORK, Sizes
from attn_nmt.command_line import UsageError
from attn_nmt.study.flags import read_config

TINY = "attn0010_deformable_tiny"


def test_every_goal_names_a_model_and_its_work() -> None:
    for row in GOALS:
        assert row.work in WORK
        assert row.baseline in BASELINES
        read_config(row.model.arch, row.model.flags)


def test_rows_that_differ_in_flags_only_are_measured_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = Counter[str]()

    def make_step(model: Model, _: Sizes) -> Any:
        return lambda: calls.update([f"{model.arch} {model.flags} {model.like}"])

    monkeypatch.setitem(WORK, "encoding", make_step)
    models = [Model(TINY, {"deformable_kernel_size": taps}) for taps in (3, 5)]
    list(measure([Row("encoding", model) for model in models], 3, 1.0))
    own = [calls[f"{model.arch} {model.flags} None"] for model in models]
    assert own[0] == own[1] > 3
    assert len(calls) == 3


def test_other_widths_have_a_baseline_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[dict[str, Any]] = []

    def make_step(model: Model, _: Sizes) -> Any:
        if model.like is not None:
            built.append(model.widths())
        return lambda: None

    monkeypatch.setitem(WORK, "encoding", make_step)
    models = [Model(TINY, {"encoder_layers": layers}) for layers in (1, 2)]
    list(measure([Row("encoding", model) for model in models], 2, 1.0))
    assert [widths["encoder_layers"] for widths in built] == [1, 2]


def test_other_engines_follow_the_searches_that_they_are_compared_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparison, "require_peers", lambda: None)
    rows = with_peers(GOALS)
    assert [row for row in rows if row.peer is None] == list(GOALS)
    peers = [(row.peer, row.model.widths()["encoder_embed_dim"]) for row in rows if row.peer]
    assert peers == [(kind, width) for width in (512, 256) for kind in ("float32", "int8")]


def test_an_engine_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="^--peers needs CTranslate2: pip install ctranslate2.$"):
        run(monkeypatch, "goals", "--peers")


def test_the_other_engine_has_the_weights_of_stock(tmp_path: Path) -> None:
    """Its first word is among stock's three best: what has learned nothing has near-ties."""
    pytest.importorskip("ctranslate2")
    baseline, sizes = Model(TINY).baseline("transformer"), Sizes(sentences=8, beam=1, vocabulary=60)
    theirs = peer_decoding(baseline, sizes, "float32")()
    built, _ = work._search(baseline, sizes)
    source = work.batch_of_sentences(8, 60)
    with torch.no_grad():
        first = torch.full((8, 1), work.EOS)
        logits, _ = built(source, source.ne(work.PAD).sum(1), first)
    words = dictionary(60)
    for found, row in zip(theirs, logits[:, 0], strict=True):
        assert len(found.hypotheses[0]) == work.MAX_LENGTH - 1
        best = row[4:].topk(3).indices + 4
        assert found.hypotheses[0][0] in [words[token] for token in best]


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
        "rate": None,
        "roofline": None,
    }
    (shown,) = comparison_table([row])
    assert shown["met"] == verdict
    assert shown["model"] == "`m --a-b 3 --c`"
    assert (shown["time"] == "not measured") == (time is None)


def test_searches_in_8_bits_and_of_other_widths_have_their_own_shares() -> None:
    flags: list[dict[str, Any]] = [{}, {"int8": True}, {"encoder_layers": 3}]
    rows = [
        {
            "model": "m",
            "flags": flags_of_row,
            "against": "o",
            "shares": {"encoder": number},
            "other shares": {"encoder": 10 + number},
        }
        for number, flags_of_row in enumerate(flags)
    ]
    assert shares_table(rows) == [
        {"share of a search": "`m`", "encoder": 0},
        {"share of a search": "`o`", "encoder": 10},
        {"share of a search": "`m --int8`", "encoder": 1},
        {"share of a search": "`m --encoder-layers 3`", "encoder": 2},
        {"share of a search": "`o --encoder-layers 3`", "encoder": 12},
    ]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *map(str, arguments)])
    main()


def test_the_table_shows_what_the_json_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measures, "_MATRIX_SIZE", 256)
    target = tmp_path / "rows.json"
    line = f"decoding {TINY} --rounds 2 --sentences 2 --beam 2 --vocabulary 50 --encoder-layers 1"
    run(monkeypatch, *line.split(), "--json", target)
    (row,) = json.loads(target.read_text())
    assert row["flags"] == {"encoder_layers": 1}
    assert 0 < row["low"] <= row["time"] <= row["high"]
    assert 0 < row["roofline"] < 1
    assert row["rate"] > 0
    for shares in (row["shares"], row["other shares"]):
        assert sum(shares.values()) == pytest.approx(1.0)
        assert min(shares.values()) > 0
    header, _, line = capsys.readouterr().out.strip().split("\n\n")[0].splitlines()
    cells = dict(zip(header.strip("| ").split(" | "), line.strip("| ").split(" | "), strict=False))
    assert cells["time"] == f"{row['time']:.2f}"
    assert cells["FLOPs utilisation"] == f"{row['roofline']:.2f}"
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
        run(monkeypatch, "lengths", "--json", target)
    assert json.loads(target.read_text()) == [{"mechanism": "first", "time exponent": 1.0}]
    assert "| first | 1.00 |" in capsys.readouterr().out


def test_the_script_offers_every_kind_of_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--help"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # that of the tests stays
    with pytest.raises(SystemExit) as exited:
        runpy.run_path(str(ROOT / "scripts" / "benchmark.py"), run_name="__main__")
    assert exited.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"\n    {work} " in printed for work in ("goals", *WORK, "lengths"))
