"""quickstart.sh from end to end with a short training, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.commandline import run_command

KEYS = {"bleu", "bleu_signature", "bleu_tokenized", "bleu_compound_split", "chrf", "sentences"}


def test_it_goes_from_nothing_to_a_score_and_resumes_from_there(tmp_path: Path) -> None:
    def quickstart(updates: int) -> tuple[str, list[str]]:
        flags = ("--out", tmp_path, "--max-update", updates, "--warmup-updates", 60)
        layers = ("--encoder-layers", 1, "--decoder-layers", 1)
        result = run_command("bash", "scripts/quickstart.sh", *flags, *layers)
        return result.stderr + result.stdout, result.stdout.splitlines()

    _, lines = quickstart(170)
    scores = json.loads(lines[-1])
    assert set(scores) >= KEYS
    assert scores["sentences"] == 1000
    # 35 were seen after 150 updates; the default, 1,000 of a deeper model, comes to more than 90.
    assert scores["bleu"] > 30
    shown = [line.split()[0] for line in lines if line.startswith(("source", "hypo", "reference"))]
    assert shown == ["source", "hypothesis", "reference"] * 10
    again, _ = quickstart(175)
    assert "is prepared already, with the same options." in again
    assert "resuming from checkpoint_last.pt: epoch 2, update 170" in again
    assert "trained to update 175 of 175 in " in again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "wmt99"], "--data must be cldr or multi30k, but is 'wmt99'."),
        (["--data"], "--data must be followed by a value."),
        (
            ["--mirror", "/tmp"],
            "--mirror must come with --data multi30k, since cldr downloads nothing.",
        ),
    ],
)
def test_a_wrong_flag_is_refused_in_one_sentence(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = run_command("bash", "scripts/quickstart.sh", *arguments, check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [f"error: {message}"]


def test_a_mirror_that_is_not_a_directory_is_refused(tmp_path: Path) -> None:
    mirror = ("--data", "multi30k", "--mirror", tmp_path / "none", "--out", tmp_path / "out")
    result = run_command("bash", "scripts/quickstart.sh", *mirror, check=False)
    assert result.returncode != 0
    assert result.stderr.splitlines()[-1] == (
        f"error: --mirror must be an address or a directory, but {tmp_path / 'none'} is neither."
    )
    assert not (tmp_path / "out").exists()
