"""The paper's flags, what overrides them, and the size of an update."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.training_options import options

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.training.recipe import batch_line, given, one_dictionary, recipe, update_freq


@pytest.mark.parametrize(
    ("flags", "world_size", "expected"),
    [
        ([], 2, "4096 tokens x 2 devices x update-freq 4 = 32768 tokens an update (wanted 30000)"),
        ([], 1, "4096 tokens x 1 device x update-freq 7 = 28672 tokens an update (wanted 30000)"),
        ([], 9, "4096 tokens x 9 devices x update-freq 1 = 36864 tokens an update (wanted 30000)"),
        (
            ["--max-tokens", "500", "--tokens-per-update", "3000"],
            3,
            "500 tokens x 3 devices x update-freq 2 = 3000 tokens an update (wanted 3000)",
        ),
        (
            ["--update-freq", "3"],
            1,
            "4096 tokens x 1 device x update-freq 3 = 12288 tokens an update",
        ),
    ],
)
def test_the_size_of_an_update_is_as_near_as_can_be(
    data_bin: Path, flags: list[str], world_size: int, expected: str
) -> None:
    chosen = options(data_bin, *flags)
    line = batch_line(chosen, world_size)
    assert line == f"batch: {expected}; wpb in the log counts target words"
    assert f"update-freq {update_freq(chosen, world_size)} " in line


def test_update_freq_by_epoch_goes_through(data_bin: Path) -> None:
    chosen = options(data_bin, "--update-freq", "4,2")
    assert batch_line(chosen, 2) == "batch: 4096 tokens x 2 devices x update-freq 4,2"
    assert update_freq(chosen, 2) == "4,2"


def test_the_recipe_is_that_of_the_paper(data_bin: Path) -> None:
    flags = recipe(options(data_bin))
    expected = {
        "--optimizer": "adam",
        "--adam-betas": "(0.9, 0.98)",
        "--adam-eps": "1e-9",
        "--weight-decay": "0.0",
        "--lr": "0.001",
        "--lr-scheduler": "inverse_sqrt",
        "--warmup-updates": "4000",
        "--warmup-init-lr": "1e-7",
        "--label-smoothing": "0.1",
        "--criterion": "label_smoothed_cross_entropy",
        "--dropout": "0.1",
        "--seed": "1",
        "--max-update": "100000",
        "--log-format": "simple",
        "--save-interval-updates": "1000",
        "--keep-interval-updates": "5",
    }
    assert {flag: given(flags, flag) for flag in expected} == expected
    switches = [flag for flag in flags if flag.startswith("--") and flag not in expected]
    assert switches == ["--no-epoch-checkpoints", "--share-all-embeddings"]


@pytest.mark.parametrize(
    ("flag", "choice", "gone"),
    [
        ("--optimizer", "nag", "--adam-betas"),
        ("--lr-scheduler", "fixed", "--warmup-init-lr"),
        ("--criterion", "cross_entropy", "--label-smoothing"),
        ("--keep-last-epochs", "3", "--no-epoch-checkpoints"),
    ],
)
def test_what_would_contradict_the_user_is_left_out(
    data_bin: Path, flag: str, choice: str, gone: str
) -> None:
    assert gone in recipe(options(data_bin))
    assert gone not in recipe(options(data_bin, flag, choice))
    assert gone not in recipe(options(data_bin, f"{flag}={choice}"))


def test_embeddings_are_shared_if_the_dictionaries_are_one(data_bin: Path) -> None:
    (data_bin / "dict.de.txt").write_text("do 1\n")
    assert "--share-all-embeddings" not in recipe(options(data_bin))
    (data_bin / "dict.de.txt").unlink()
    (data_bin / "dict.en.txt").unlink()
    with pytest.raises(UsageError, match=r"^DATA_BIN must hold dict.LANG.txt, which "):
        recipe(options(data_bin))


def test_the_languages_are_those_of_the_data_card(data_bin: Path) -> None:
    (data_bin / "dict.fr.txt").write_text("do 1\n")
    assert not one_dictionary(data_bin)
    card = DataCard("any", "en", "de", "subword-nmt", {}, {}, {}, 64, {}, {})
    card.write(data_bin.parent)
    assert one_dictionary(data_bin)
    (data_bin / "dict.de.txt").unlink()
    with pytest.raises(UsageError, match=r"^DATA_BIN must hold dict.de.txt, which "):
        one_dictionary(data_bin)
