"""One run of a cell: what it keeps, what it refuses, when it is trained."""

from __future__ import annotations

import json
import pickle
import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.study.grids.plan import Run
from attn_nmt.study.running import cell, cell_files, same_settings
from attn_nmt.study.running.cell import is_trained, run_cell

DONE = "2026 | INFO | fairseq_cli.train | done training in 3.0 seconds\n"


def checkpoint(folder: Path, updates: int, limit: int) -> None:
    """What a checkpoint tells of its training."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        "model": {},
        "optimizer_history": [{"num_updates": updates}],
        "cfg": {"optimization": {"max_update": limit}},
    }
    torch.save(state, folder / "checkpoint_last.pt")


def test_a_run_can_be_sent_to_another_process(planned_run: Run) -> None:
    assert pickle.loads(pickle.dumps(planned_run)) == planned_run
    assert pickle.loads(pickle.dumps(run_cell)) is run_cell


@pytest.mark.parametrize(
    ("updates", "limit", "log", "trained"),
    [
        (7, 9, "", False),
        (9, 9, "", True),
        (7, 9, DONE, True),
        (7, 0, "", False),
        (7, 0, DONE, True),
    ],
)
def test_when_a_training_is_at_its_end(
    tmp_path: Path, updates: int, limit: int, log: str, trained: bool
) -> None:
    checkpoint(tmp_path, updates, limit)
    (tmp_path / "train.log").write_text(log)
    assert is_trained(tmp_path) is trained


def test_without_a_whole_checkpoint_nothing_is_trained(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(DONE)
    assert not is_trained(tmp_path)
    (tmp_path / "train.log").write_text("")
    checkpoint(tmp_path, 9, 9)
    whole = (tmp_path / "checkpoint_last.pt").read_bytes()
    (tmp_path / "checkpoint_last.pt").write_bytes(whole[:200])
    assert not is_trained(tmp_path)


def test_a_finished_run_is_kept_as_it_is(planned_run: Run) -> None:
    planned_run.save_dir.mkdir(parents=True)
    found = {"scores": {"bleu": 12.5}, "evaluation": "evaluation-test", "data_bin": "data-bin"}
    (planned_run.save_dir / "result.json").write_text(json.dumps(found))
    outcome = run_cell(planned_run)
    assert (outcome.state, outcome.result, outcome.problem) == ("kept", found, None)
    assert sorted(path.name for path in planned_run.save_dir.iterdir()) == [".lock", "result.json"]


def test_a_failure_is_told_and_kept(planned_run: Run) -> None:
    outcome = run_cell(planned_run)  # there are no data
    assert outcome.state == "failed" and outcome.result is None
    assert outcome.problem is not None and "data_card.json must exist" in outcome.problem
    assert (planned_run.save_dir / "failure.txt").read_text() == outcome.problem + "\n"
    assert not (planned_run.save_dir / "result.json").exists()


def test_an_error_that_nobody_foresaw_is_kept_with_its_place(
    planned_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr(cell, "require_same_data", broken)
    outcome = run_cell(planned_run)
    assert (outcome.state, outcome.problem) == ("failed", "ZeroDivisionError: by hand")
    kept = (planned_run.save_dir / "failure.txt").read_text()
    assert "in broken" in kept and kept.endswith("ZeroDivisionError: by hand\n")


def test_a_folder_in_use_is_left_alone(planned_run: Run) -> None:
    planned_run.save_dir.mkdir(parents=True)
    with cell_files.only_one(planned_run.save_dir):
        outcome = run_cell(planned_run)
    assert outcome.problem == (
        f"{planned_run.save_dir} must be used by one process at a time, "
        "but another one works there."
    )
    assert [path.name for path in planned_run.save_dir.iterdir()] == [".lock"]


def test_another_command_is_refused_with_what_differs(planned_run: Run) -> None:
    folder = planned_run.save_dir
    folder.mkdir(parents=True)
    cell_files.write(folder / "command.sh", cell_files.commands(planned_run))
    same_settings.require_same_commands(planned_run)
    other = replace(planned_run, train=[*planned_run.train, "--lr", "(1, 2)"])
    sentence = "command that started it, but that had nothing where this has --lr '\\(1, 2\\)'.$"
    with pytest.raises(UsageError, match=sentence):
        same_settings.require_same_commands(other)
    with pytest.raises(UsageError, match="but that had 5 where this has 3.$"):
        same_settings.require_same_commands(replace(planned_run, average=3))
    one_value = replace(planned_run, train=[*planned_run.train[:-3], "9", *planned_run.train[-2:]])
    with pytest.raises(UsageError, match="but that had 100 where this has 9.$"):
        same_settings.require_same_commands(one_value)
    assert run_cell(other).state == "failed"
    assert not (folder / "failure.txt").exists()


def test_other_data_in_the_same_place_are_refused(planned_run: Run) -> None:
    corpus = planned_run.data_bin.parent
    corpus.mkdir()
    planned_run.save_dir.mkdir(parents=True)
    card = DataCard("copy", "en", "de", "sentencepiece", {}, {}, {}, 1, {}, {"raw/test.de": "1"})
    card.write(corpus)
    cell_files.write_json(planned_run.save_dir / "environment.json", {"data_card": asdict(card)})
    same_settings.require_same_data(planned_run)
    replace(card, files={"raw/test.de": "1", "raw/test.en": "2"}).write(corpus)
    with pytest.raises(UsageError, match="started on, but raw/test.en is another file now.$"):
        same_settings.require_same_data(planned_run)


def test_checkpoints_of_unknown_origin_are_refused(planned_run: Run) -> None:
    checkpoint(planned_run.save_dir, 1, 9)
    with pytest.raises(UsageError, match="must be new or have a command.sh, but holds checkpoints"):
        same_settings.require_same_commands(planned_run)


def test_the_commands_are_kept_as_shell(planned_run: Run) -> None:
    _, *lines = cell_files.commands(planned_run).splitlines()
    assert [shlex.split(line) for line in lines] == [planned_run.train, planned_run.evaluate]


@pytest.mark.parametrize("content", ["", "[]", '{"scores"', '{"scores": {"bleu": 1}}'])
def test_a_result_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(UsageError, match="must be a result of a run, but is not one"):
        cell_files.read_result(tmp_path)
