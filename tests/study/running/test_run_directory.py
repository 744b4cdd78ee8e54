"""The files of a run, and the commands and data with which it may be resumed."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.study.grids.runs import Run
from attn_nmt.study.running.cell import run_cell
from attn_nmt.study.running.run_directory import (
    command_script,
    read_result,
    require_same_commands,
    require_same_data,
    write_json,
    write_text,
)


def test_another_command_is_refused_with_the_words_that_differ(planned_run: Run) -> None:
    directory = planned_run.save_dir
    directory.mkdir(parents=True)
    write_text(directory / "command.sh", command_script(planned_run))
    require_same_commands(planned_run)
    other = replace(planned_run, train=[*planned_run.train, "--lr", "(1, 2)"])
    sentence = "command that started it, but that had nothing where this has --lr '\\(1, 2\\)'.$"
    with pytest.raises(UsageError, match=sentence):
        require_same_commands(other)
    with pytest.raises(UsageError, match="but that had 5 where this has 3.$"):
        require_same_commands(replace(planned_run, average=3))
    one_value = replace(planned_run, train=[*planned_run.train[:-3], "9", *planned_run.train[-2:]])
    with pytest.raises(UsageError, match="but that had 100 where this has 9.$"):
        require_same_commands(one_value)
    assert run_cell(other).state == "failed"
    assert not (directory / "failure.txt").exists()


@pytest.mark.parametrize(
    "flags", [["--log-interval", "7"], ["--log-format=json"], ["--no-progress-bar"]]
)
def test_flags_that_change_no_result_may_differ(planned_run: Run, flags: list[str]) -> None:
    planned_run.save_dir.mkdir(parents=True)
    verbose = replace(planned_run, train=[*planned_run.train[:3], *flags, *planned_run.train[3:]])
    for started, resumed in ((planned_run, verbose), (verbose, planned_run)):
        write_text(planned_run.save_dir / "command.sh", command_script(started))
        require_same_commands(resumed)
        other = replace(resumed, train=[*resumed.train, "--lr", "1"])
        sentence = "but that had nothing where this has --lr 1.$"
        with pytest.raises(UsageError, match=sentence):
            require_same_commands(other)


def test_a_collected_result_of_another_command_is_refused(planned_run: Run) -> None:
    planned_run.save_dir.mkdir(parents=True)
    result = {"scores": {"bleu": 1}, "evaluation": "evaluation-test", "data_bin": "data-bin"}
    commands = {"train": planned_run.train, "evaluate": planned_run.evaluate}
    write_json(planned_run.save_dir / "result.json", {**result, **commands})
    require_same_commands(planned_run)
    other = replace(planned_run, train=[*planned_run.train, "--lr", "1"])
    with pytest.raises(UsageError, match="but that had nothing where this has --lr 1.$"):
        require_same_commands(other)


def test_a_collected_result_may_have_had_other_directories_but_not_other_data(
    planned_run: Run, tmp_path: Path
) -> None:
    planned_run.save_dir.mkdir(parents=True)
    train, evaluate = list(planned_run.train), list(planned_run.evaluate)
    assert train[4:6] == [str(planned_run.data_bin), str(planned_run.save_dir)]
    assert evaluate[3:5] == [str(planned_run.save_dir), str(planned_run.data_bin)]
    train[4:6], evaluate[3:5] = ["data", "runs"], ["runs", "data"]
    result = {"scores": {"bleu": 1}, "evaluation": "evaluation-test", "data_bin": "data"}
    content = {**result, "train": train, "evaluate": evaluate}
    write_json(planned_run.save_dir / "result.json", content)
    card = DataCard("copy", "en", "de", "sentencepiece", {}, {}, {}, 1, {}, {"raw/test.de": "1"})
    write_json(planned_run.save_dir / "environment.json", {"data_card": asdict(card)})
    require_same_commands(planned_run)  # without data nothing can be compared
    planned_run.data_bin.parent.mkdir()
    card.write(planned_run.data_bin.parent)
    require_same_commands(planned_run)
    replace(card, files={"raw/test.de": "2"}).write(planned_run.data_bin.parent)
    with pytest.raises(UsageError, match="started on, but raw/test.de has changed.$"):
        require_same_commands(planned_run)


def test_a_run_of_an_earlier_version_is_resumed(planned_run: Run) -> None:
    planned_run.save_dir.mkdir(parents=True)
    script = command_script(planned_run)
    assert script.endswith(" --or-best\n")
    write_text(planned_run.save_dir / "command.sh", script.replace(" --or-best", ""))
    require_same_commands(planned_run)


def test_other_data_in_the_same_place_are_refused(planned_run: Run) -> None:
    corpus = planned_run.data_bin.parent
    corpus.mkdir()
    planned_run.save_dir.mkdir(parents=True)
    card = DataCard("copy", "en", "de", "sentencepiece", {}, {}, {}, 1, {}, {"raw/test.de": "1"})
    card.write(corpus)
    write_json(planned_run.save_dir / "environment.json", {"data_card": asdict(card)})
    require_same_data(planned_run)
    replace(card, files={"raw/test.de": "1", "raw/test.en": "2"}).write(corpus)
    with pytest.raises(UsageError, match="started on, but raw/test.en has changed.$"):
        require_same_data(planned_run)


def test_checkpoints_of_unknown_origin_are_refused(planned_run: Run) -> None:
    planned_run.save_dir.mkdir(parents=True)
    (planned_run.save_dir / "checkpoint_last.pt").touch()
    with pytest.raises(UsageError, match="must be new or have a command.sh, but holds checkpoints"):
        require_same_commands(planned_run)


def test_the_commands_are_kept_as_shell(planned_run: Run) -> None:
    _, *lines = command_script(planned_run).splitlines()
    assert [shlex.split(line) for line in lines] == [planned_run.train, planned_run.evaluate]


@pytest.mark.parametrize("content", ["", "[]", '{"scores"', '{"scores": {"bleu": 1}}'])
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(UsageError, match="must be a result of a run, but is not one"):
        read_result(tmp_path)
