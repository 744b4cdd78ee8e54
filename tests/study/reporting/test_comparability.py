"""Settings that are not the same for all runs, and the warnings about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.result_folders import CARD, finished

from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.reporting.comparability import grid_warnings, read_settings
from attn_nmt.study.reporting.results import GridResults, find_grids
from attn_nmt.study.reporting.results_table import cell_rows


def warnings_of(grid: GridResults) -> str:
    settings = read_settings(grid)
    return "\n".join(grid_warnings(grid, settings, {}, cell_rows(grid, settings, {})))


def notes_of(grid: GridResults) -> dict[str, str | None]:
    return {row["cell"]: row["notes"] for row in cell_rows(grid, read_settings(grid), {})}


def warnings_in(runs: Path) -> str:
    (grid,) = find_grids(runs)
    return warnings_of(grid)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"arch": "attn_transformer_iwslt_de_en"}, "--arch"),
        ({"updates": 99}, "updates"),
        ({"averaged": False, "checkpoints": ["checkpoint_best.pt"]}, "scored checkpoints"),
        ({"flags": {"dropout": 0.5}}, "flags"),
        ({"environment": {"data_card": {**CARD, "files": {"raw/test.de": "2"}}}}, "data"),
        ({"scores": {"bleu_signature": "nrefs:2"}}, "BLEU signature"),
        ({"scores": {"sentences": 59}}, "test sentences"),
        ({"length": 51}, "tokens for the costs"),
    ],
)
def test_runs_with_other_settings_are_named(
    tmp_path: Path, changes: dict[str, Any], name: str
) -> None:
    for seed in (1, 2):
        finished(tmp_path / "own", "a", seed)
        finished(tmp_path / "own", "b", seed, **(changes if seed == 2 else {}))
    (grid,) = find_grids(tmp_path)
    notes = notes_of(grid)
    assert notes["a"] is None
    assert notes["b"] == f"seed 2: differs from most in {name}"
    (warning,) = warnings_of(grid).splitlines()
    assert warning.startswith(f"The runs differ in {name}: ")
    assert " (a seeds 1, 2; b seed 1) against " in warning and warning.endswith(" (b seed 2).")


def test_many_runs_are_counted_instead_of_named(tmp_path: Path) -> None:
    for seed in (1, 2, 3, 4, 5):
        finished(tmp_path / "own", "a", seed, updates=99 if seed == 1 else 100)
    assert warnings_in(tmp_path) == (
        "The runs differ in updates: 100 (4 runs) against 99 (a seed 1)."
    )


def test_another_device_is_a_warning_but_no_note_on_scores(tmp_path: Path) -> None:
    finished(tmp_path / "own", "a")
    finished(tmp_path / "own", "b", environment={"device": "one H200", "processor": "fast"})
    (grid,) = find_grids(tmp_path)
    assert notes_of(grid)["b"] is None
    assert warnings_of(grid) == (
        "The runs differ in device: two cores, processor unknown (a seed 1) against one H200, "
        "fast (b seed 1)."
    )


def test_the_flags_that_define_a_cell_are_no_difference(tmp_path: Path) -> None:
    for cell in GRIDS["figure3-cross"][:3]:
        flags = {**cell.flags, "dropout": 0.2}
        # What all cells of a grid share is no difference either.
        finished(tmp_path / "figure3-cross", cell.name, flags=flags, varied=["cross_attn_terms"])
    for terms in ("0010", "1111"):
        flags = {"self_attn_terms": terms, "dropout": 0.2}
        finished(tmp_path / "own", f"with-{terms}", flags=flags, varied=["self_attn_terms"])
    for grid, common in zip(find_grids(tmp_path), ("--self-attn-terms 1111 ", ""), strict=True):
        assert warnings_of(grid) == ""
        settings = {setting.name: list(setting.values) for setting in read_settings(grid)}
        assert settings["flags"] == [f"{common}--dropout 0.2 --lr 0.1"]


def test_flags_of_the_training_that_define_a_cell_are_no_difference(tmp_path: Path) -> None:
    for lr, betas in ((0.1, "(0.9, 0.98)"), (0.15, "(0.8, 0.9)")):
        flags = {"lr": lr, "adam_betas": betas, "clip_norm": 0.1}
        cell = f"lr={lr}+adam_betas={betas[1:-1].replace(' ', '')}"
        finished(tmp_path / "own", cell, train_flags=flags, varied=["lr", "adam_betas"])
    (grid,) = find_grids(tmp_path)
    assert warnings_of(grid) == ""
    assert set(notes_of(grid).values()) == {None}
    settings = {setting.name: list(setting.values) for setting in read_settings(grid)}
    assert settings["flags"] == ["--clip-norm 0.1 --lr 0.1"]


def test_pairs_in_the_options_of_a_corpus_stay_and_checksums_do_not(tmp_path: Path) -> None:
    options = {"train": [["my.tsv", 64 * "0"]], "spans": [["a", "b"]]}
    card = {**CARD, "options": options}
    finished(tmp_path / "own", "a", environment={"data_card": card})
    (grid,) = find_grids(tmp_path)
    ((data,),) = [setting.values for setting in read_settings(grid) if setting.name == "data"]
    assert "options train=my.tsv, spans=a b" in data and "000" not in data


def test_scores_on_a_part_of_the_corpus_are_labelled(tmp_path: Path) -> None:
    finished(tmp_path / "own", "a", scores={"subset": {"europarl": [10, 2000]}})
    assert warnings_in(tmp_path) == (
        "The scores of a seed 1 cannot be compared with other people's: "
        "not the known corpus, lines of each file: europarl 10 of 2000."
    )


def test_other_models_and_corpora_than_the_papers_are_named(tmp_path: Path) -> None:
    arch = "attn_transformer_wmt_en_de"
    card = {"data_card": {**CARD, "corpus": "wmt14"}}
    finished(tmp_path / "like" / "table2", "1111", arch=arch, environment=card)
    assert warnings_in(tmp_path / "like") == ""
    finished(tmp_path / "unlike" / "table2", "1111", arch=arch)
    assert f"These results are of {arch} on the corpus copy" in warnings_in(tmp_path / "unlike")
