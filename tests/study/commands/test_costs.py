"""``costs``: table, CSV, JSON, and refusals."""

from __future__ import annotations

import csv
import io
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from support.commandline import run_command

from attn_nmt.command_line import UsageError, run
from attn_nmt.study.__main__ import main

CONTRACT = {
    "self_attn",
    "cross_attn",
    "deformable",
    "type",
    "span",
    "kernel_size",
    "gmacs",
    "paper_gmacs",
}


@pytest.fixture
def costs(study: Any) -> Any:
    """Run the command in this process and return what it prints."""
    return lambda *flags: study("costs", *flags)


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_is_one_object_a_row_of_both_tables(costs: Any) -> None:
    objects = rows(costs("--format", "json"))
    assert len(objects) == 18 + 9
    assert all(set(row) >= CONTRACT for row in objects)
    assert all(row["paper_gmacs"] is not None for row in objects)
    (recommended,) = (row for row in objects if row["name"] == "0010-deformable")
    assert {key: recommended[key] for key in CONTRACT} == {
        "type": "relative",
        "self_attn": "0010",
        "cross_attn": "1111",
        "deformable": True,
        "span": None,
        "kernel_size": None,
        "gmacs": pytest.approx(2.711924736),
        "paper_gmacs": 2.7,
    }
    assert recommended["difference"] == pytest.approx(0.011924736)
    assert (round(recommended["percent"], 1), recommended["paper_percent"]) == (-0.4, -1.1)
    (without,) = (row for row in objects if row["name"] == "none")
    assert (without["type"], without["self_attn"], without["percent"]) == ("none", "none", None)
    spans = [(row["span"], row["kernel_size"], row["type"]) for row in objects[-2:]]
    assert spans == [(13, None, "relative"), (None, 13, "dynamic")]


def test_the_papers_numbers_belong_to_the_model_not_to_its_name(costs: Any) -> None:
    flags = ("--self-attn-terms", "0010", "--deformable-kernel-size", "3", "--format", "json")
    (same,) = rows(costs("--arch", "attn_transformer_wmt_en_de", *flags))
    assert (same["paper_gmacs"], same["percent"]) == (2.7, None)
    base = ("--arch", "attn_transformer_wmt_en_de")
    smaller, shallower = ("--arch", "attn_transformer_tiny"), (*base, "--encoder-layers", "5")
    for other in (smaller, shallower, (*base, "--cross-attn-terms", "1000")):
        (row,) = rows(costs(*other, *flags))
        assert row["paper_gmacs"] is None and row["difference"] is None


def test_csv_and_json_hold_the_same(costs: Any) -> None:
    grid = ("--grid", "figure3-cross", "--size", "tiny", "--length", "7")
    as_json = rows(costs(*grid, "--format", "json"))
    as_csv = list(csv.DictReader(io.StringIO(costs(*grid, "--format", "csv"))))
    assert [row["cross_attn"] for row in as_csv] == [f"{number:04b}" for number in range(16)]
    assert as_csv == [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in as_json
    ]


def test_a_table_explains_its_convention_and_shows_the_papers_numbers(costs: Any) -> None:
    table = costs("--grid", "table2")
    head, *lines = table.split("\n\n")[0].splitlines()
    assert [word in head for word in ("gmacs", "paper_gmacs", "parameters", "span")] == (
        [True, True, True, False]
    )
    assert len(lines) == 18
    assert "10^9 multiply-adds" in table and "2 * 50 - 1 relative encodings" in table
    assert "17 of the 18" in table
    assert "17 of the 18" not in costs("--arch", "attn1111_tiny")


def test_a_mixture_is_described_by_side_and_layer(costs: Any) -> None:
    mixture = (
        "--decoder-self-attn-type dynamic --encoder-self-attn-terms 1111,none "
        "--conv-kernel-sizes 3,5"
    )
    line = f"--arch attn_transformer_tiny {mixture} --format json"
    (row,) = rows(costs(*line.split()))
    assert row["type"] == "relative,none / dynamic"
    assert row["self_attn"] == "1111,none / none"
    assert row["kernel_size"] == "none / 3,5"


def test_the_layers_sum_to_the_model_in_formulas_and_in_counts(costs: Any) -> None:
    arch = ("--arch", "attn0010_tiny", "--actual", "4", "--format", "json")
    (whole,) = rows(costs(*arch))
    parts = rows(costs(*arch, "--layers"))
    assert [part["mechanism"] for part in parts] == (
        ["self_attn", "feed_forward"] * 2 + ["self_attn", "encoder_attn", "feed_forward"] * 2
    )
    assert sum(part["mmacs"] for part in parts) == pytest.approx(1000 * whole["gmacs"])
    assert sum(part["actual_mmacs"] for part in parts) == pytest.approx(
        1000 * whole["actual_gmacs"]
    )
    assert sum(part["parameters"] for part in parts) == whole["parameters"]
    assert parts[0]["products"].split()[0] == f"k_proj={50 * 128**2}"
    assert parts[0]["actual_mmacs"] < parts[0]["mmacs"]
    assert "batch of 4" in costs("--arch", "attn0010_tiny", "--actual", "4")


def test_a_grid_of_a_file_is_read(costs: Any, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    # A switch that is absent from the command line must not count as an override.
    path.write_text(
        "base: {log_offsets: true, deformable_kernel_size: 3}\n"
        'vary: {self_attn_terms: ["0000", "1111"]}'
    )
    objects = rows(costs("--grid", str(path), "--size", "tiny", "--format", "json"))
    assert [row["self_attn"] for row in objects] == ["0000", "1111"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--arch", "attn01_tiny"), "^--arch must .* but is 'attn01_tiny'; the nearest is '.*'.$"),
        (("--length", "0"), "^--length must be a whole number of at least 1, but is '0'.$"),
        (("--length", "a few"), "^--length must be .*, but is 'a few'.$"),
        (("--actual", "-1"), "^--actual must be .*, but is '-1'.$"),
        (("--format", "xml"), "^--format must be one of table, csv, json, but is 'xml'; .*$"),
        (("--size", "big"), "^--size must be one of tiny, .*, but is 'big'; the nearest is .*$"),
        (("--grid", "table1"), "^--grid must be one of table2, .*, but is 'table1'; .*$"),
        (
            ("--arch", "attn1111_tiny", "--grid", "table2"),
            "^--grid must be left out beside --arch, but is 'table2'.$",
        ),
        (
            ("--arch", "attn1111_tiny", "--size", "tiny"),
            "^--size must be left out beside --arch, but is 'tiny'.$",
        ),
        (
            ("--self-attn-terms", "1111"),
            "^--self-attn-terms must be left out where the grid sets it, but is '1111'.$",
        ),
        (("--arch", "attn1111_tiny", "--self-attn-span", "4"), "^--self-attn-span must be odd.*$"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    costs: Any, flags: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        costs(*flags)


def test_flags_of_fairseq_are_refused(costs: Any) -> None:
    with pytest.raises(UsageError, match="^--lr must be a flag of this command, but is unknown"):
        costs("--lr", "0.1")


def test_a_refusal_is_one_line_and_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["study", "costs", "--arch", "none"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # that of the tests stays
    with pytest.raises(SystemExit, match="^error: --arch must be"):
        run(main)
    assert capsys.readouterr().out == ""


def test_a_process_prints_rows_to_stdout_and_the_legend_to_stderr() -> None:
    command = (sys.executable, "-m", "attn_nmt.study", "costs")
    result = run_command(*command, "--arch", "attn0110_tiny", "--format", "json")
    assert json.loads(result.stdout)["self_attn"] == "0110"
    assert "10^9 multiply-adds" in result.stderr
