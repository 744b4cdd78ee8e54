"""The rows of a report against numbers worked out by hand or by ``statistics``."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest
from support.result_folders import CARD, LOG, finished, started

from attn_nmt.study import paper
from attn_nmt.study.grids.cells import GRIDS
from attn_nmt.study.reporting.cautions import cautions
from attn_nmt.study.reporting.found import FoundGrid, find_grids
from attn_nmt.study.reporting.rows import cell_rows
from attn_nmt.study.reporting.settings import settings
from attn_nmt.study.reporting.significance import seed_tests


def the_grid(runs: Path, baseline: str | None = None) -> FoundGrid:
    (grid,) = find_grids(runs, baseline)
    return grid


def rows_of(grid: FoundGrid) -> dict[str, dict[str, Any]]:
    tests = {
        cell.name: seed_tests(before, cell, 1)
        for cell in grid.cells
        if (before := grid.cell(cell.before))
    }
    return {row["cell"]: row for row in cell_rows(grid, settings(grid), tests)}


def cautions_of(grid: FoundGrid) -> str:
    found = settings(grid)
    return "\n".join(cautions(grid, found, {}, cell_rows(grid, found, {})))


def test_means_and_deviations_are_those_of_the_seeds(tmp_path: Path) -> None:
    grid = tmp_path / "own"
    scores, speeds = {3: 20.25, 7: 21.5, 11: 19.75}, [400.0, 900.0, 500.0]
    for (seed, bleu), speed in zip(scores.items(), speeds, strict=True):
        finished(grid, "a", seed, bleu, tokens_per_second=speed)
    finished(grid, "b", 3, 30.0, tokens_per_second=None)
    rows = rows_of(the_grid(tmp_path))
    assert list(rows) == ["a", "b"]
    assert rows["a"]["bleu"] == pytest.approx(statistics.mean(scores.values()))
    assert rows["a"]["bleu_deviation"] == pytest.approx(statistics.stdev(scores.values()))
    assert rows["a"]["bleu_compound_split"] == pytest.approx(statistics.mean(scores.values()) + 1)
    assert rows["a"]["tokens_per_second"] == 500
    assert (rows["a"]["state"], rows["a"]["seeds"]) == ("finished", "3 of 3")
    assert (rows["b"]["state"], rows["b"]["seeds"]) == ("in part", "1 of 3")
    assert rows["b"]["bleu_deviation"] is rows["b"]["tokens_per_second"] is None
    assert rows["b"]["notes"] == "seed 7: missing; seed 11: missing"


def test_the_validation_loss_is_the_last_one(tmp_path: Path) -> None:
    for seed, extra in ((1, LOG), (2, LOG + LOG.replace("8.25", "8.5").replace("40", "80"))):
        (finished(tmp_path / "own", "a", seed) / "train.log").write_text(extra)
    (finished(tmp_path / "own", "a", 3) / "train.log").unlink()
    assert rows_of(the_grid(tmp_path))["a"]["validation_loss"] == statistics.mean((8.25, 8.5))


def test_a_row_is_set_against_the_one_before_it_in_the_paper(tmp_path: Path) -> None:
    grid = tmp_path / "table2"
    finished(grid, "1110", 1, 20.0, gmacs=2.0)
    finished(grid, "1110", 2, 22.0, gmacs=2.0)
    finished(grid, "1110", 3, 90.0, gmacs=2.0)
    finished(grid, "1010-deformable", 1, 23.0, gmacs=2.5)
    finished(grid, "1010-deformable", 2, 24.5, gmacs=2.5)
    found = rows_of(the_grid(tmp_path))
    row = found["1010-deformable"]
    assert row["before"] == "1110"
    # Seed 3 has no partner.
    assert row["bleu_difference"] == pytest.approx(((23 - 20) + (24.5 - 22)) / 2)
    assert row["gmacs_percent"] == pytest.approx(25)
    line = next(line for line in paper.TABLE2 if line.candidate == "1010-deformable")
    assert row["paper_bleu"] == line.bleu[1]
    assert row["paper_bleu_difference"] == pytest.approx(line.bleu[1] - line.bleu[0])
    assert row["paper_gmacs"] is row["paper_percent"] is None, "printed of another size"
    assert found["1110"]["bleu_difference"] is None


def test_printed_costs_stand_beside_models_of_the_papers_size(tmp_path: Path) -> None:
    for cell in GRIDS["table2"]:
        finished(
            tmp_path / "table2", cell.name, arch="attn_transformer_wmt_en_de", flags=cell.flags
        )
    rows = rows_of(the_grid(tmp_path))
    for line in paper.TABLE2:
        after = rows[line.candidate]
        assert (rows[line.baseline]["paper_gmacs"], after["paper_gmacs"]) == line.gflops
        assert after["paper_percent"] == line.flops_percent
        assert after["gmacs_percent"] == 0


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    grid = tmp_path / "table3"
    finished(grid, "0100", 1)
    started(grid, "0100", 2, failure="It broke.\nThe end of the log.\n")
    started(grid, "0100-span31", 1, failure="Traceback (most recent call last):\n  x\nKeyError: 1")
    started(grid, "dynamic-kernel31", 2)
    grid_found = the_grid(tmp_path / "table3")
    rows = rows_of(grid_found)
    assert list(rows) == [cell.name for cell in GRIDS["table3"]]
    states = {name: row["state"] for name, row in rows.items()}
    assert states.pop("0100") == "in part" and states.pop("0100-span31") == "failed"
    assert states.pop("dynamic-kernel31") == "unfinished" and set(states.values()) == {"missing"}
    assert rows["0100"]["notes"] == "seed 2: failed: It broke."
    assert rows["0100-span31"]["notes"] == "seed 1: failed: KeyError: 1; seed 2: missing"
    assert rows["dynamic-kernel31"]["notes"] == "seed 1: missing; seed 2: unfinished, update 40"
    assert rows["dynamic-kernel31"]["seeds"] == "0 of 2"
    assert rows["dynamic-kernel31"]["bleu"] is rows["dynamic-kernel31"]["bleu_difference"] is None
    assert rows["dynamic-kernel13"]["paper_bleu"] == 27.4


def test_the_printed_score_of_self_attention_is_not_that_of_encoder_decoder_attention(
    tmp_path: Path,
) -> None:
    for name in ("figure3-self", "figure3-cross"):
        finished(tmp_path / name, "1110")
    own, cross = (rows_of(grid) for grid in find_grids(tmp_path))
    assert own["1110"]["paper_bleu"] == 27.7
    assert all(row["paper_bleu"] is None for row in cross.values())


def test_a_baseline_is_for_every_row_and_grid_that_has_it(tmp_path: Path) -> None:
    for grid in ("table2", "own"):
        finished(tmp_path / grid, "1111", bleu=20)
        finished(tmp_path / grid, "0110", bleu=21)
    finished(tmp_path / "other", "x")
    table2, other, own = find_grids(tmp_path, "0110")
    assert {cell.before for cell in table2.cells} == {"0110", None}
    assert rows_of(table2)["1111"]["bleu_difference"] == -1
    assert [(cell.name, cell.before) for cell in own.cells] == [("0110", None), ("1111", "0110")]
    assert [cell.before for cell in other.cells] == [None]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"arch": "attn_transformer_iwslt_de_en"}, "--arch"),
        ({"updates": 99}, "updates"),
        ({"averaged": False, "checkpoints": ["checkpoint_best.pt"]}, "scored"),
        ({"flags": {"dropout": 0.5}}, "flags"),
        ({"environment": {"data_card": {**CARD, "files": {"raw/test.de": "2"}}}}, "data"),
        ({"scores": {"bleu_signature": "nrefs:2"}}, "BLEU signature"),
        ({"scores": {"sentences": 59}}, "test sentences"),
        ({"length": 51}, "tokens for the costs"),
    ],
)
def test_results_that_are_of_other_settings_are_named(
    tmp_path: Path, changes: dict[str, Any], name: str
) -> None:
    for seed in (1, 2):
        finished(tmp_path / "own", "a", seed)
        finished(tmp_path / "own", "b", seed, **(changes if seed == 2 else {}))
    grid = the_grid(tmp_path)
    rows = rows_of(grid)
    assert rows["a"]["notes"] is None
    assert rows["b"]["notes"] == f"seed 2: other {name} than most"
    (caution,) = cautions_of(grid).splitlines()
    assert caution.startswith(f"The runs are not alike in {name}: ")
    assert " (a seeds 1, 2; b seed 1) against " in caution and caution.endswith(" (b seed 2).")


def test_many_runs_are_counted(tmp_path: Path) -> None:
    for seed in (1, 2, 3, 4, 5):
        finished(tmp_path / "own", "a", seed, updates=99 if seed == 1 else 100)
    assert cautions_of(the_grid(tmp_path)) == (
        "The runs are not alike in updates: 100 (4 runs) against 99 (a seed 1)."
    )


def test_other_devices_matter_to_speeds_only(tmp_path: Path) -> None:
    finished(tmp_path / "own", "a")
    finished(tmp_path / "own", "b", environment={"device": "one H200"})
    grid = the_grid(tmp_path)
    assert rows_of(grid)["b"]["notes"] is None
    assert cautions_of(grid) == (
        "The runs are not alike in device: two cores (a seed 1) against one H200 (b seed 1)."
    )


def test_grids_whose_cells_differ_only_in_their_flags_are_alike(tmp_path: Path) -> None:
    for cell in GRIDS["figure3-cross"][:3]:
        finished(tmp_path / "figure3-cross", cell.name, flags={**cell.flags, "dropout": 0.2})
    for terms in ("0010", "1111"):
        flags = {"self_attn_terms": terms, "dropout": 0.2}
        finished(tmp_path / "own", f"self_attn_terms={terms}", flags=flags)
    for grid in find_grids(tmp_path):
        assert cautions_of(grid) == ""
        told = {setting.name: list(setting.values) for setting in settings(grid)}
        assert told["flags"] == ["--dropout 0.2 --lr 0.1"]


def test_scores_on_a_part_of_the_corpus_are_labelled(tmp_path: Path) -> None:
    finished(tmp_path / "own", "a", scores={"subset": {"europarl": [10, 2000]}})
    assert cautions_of(the_grid(tmp_path)) == (
        "The scores of a seed 1 cannot be compared with other people's: "
        "not the known corpus, lines of each file: europarl 10 of 2000."
    )


def test_the_papers_scores_are_not_compared_blindly(tmp_path: Path) -> None:
    arch = "attn_transformer_wmt_en_de"
    card = {"data_card": {**CARD, "corpus": "wmt14"}}
    finished(tmp_path / "like" / "table2", "1111", arch=arch, environment=card)
    assert cautions_of(the_grid(tmp_path / "like")) == ""
    finished(tmp_path / "unlike" / "table2", "1111", arch=arch)
    assert f"Here are results of {arch} on the corpus copy" in cautions_of(
        the_grid(tmp_path / "unlike")
    )
