"""evaluate.sh with averaging built in, its file of sentence scores, and corpora that are parts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from support.commandline import run_command, train

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.data_card import FILE_NAME


@pytest.fixture(scope="module")
def save_dir(data_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run that kept its last checkpoints."""
    folder = tmp_path_factory.mktemp("kept") / "run"
    train(
        data_bin,
        folder,
        "--max-update",
        120,
        "--save-interval-updates",
        20,
        "--keep-interval-updates",
        3,
        "--no-epoch-checkpoints",
    )
    return folder


def test_the_last_checkpoints_are_averaged_and_translated(data_bin: Path, save_dir: Path) -> None:
    scored = run_command("bash", "scripts/evaluate.sh", save_dir, data_bin, "--average", 2)
    assert json.loads(scored.stdout.splitlines()[-1])["bleu"] > 90
    folder = save_dir / "evaluation-test-average2"
    assert (folder / "scores.json").read_text().strip() == scored.stdout.splitlines()[-1]
    mean = load_checkpoint(save_dir / "average2.pt")["model"]
    parts = [
        load_checkpoint(path)["model"] for path in sorted(save_dir.glob("checkpoint_*_1[02]0.pt"))
    ]
    name = "decoder.layers.0.fc1.weight"
    torch.testing.assert_close(mean[name], (parts[0][name] + parts[1][name]) / 2)


def test_too_few_checkpoints_are_an_error(data_bin: Path, save_dir: Path) -> None:
    result = run_command(
        "bash", "scripts/evaluate.sh", save_dir, data_bin, "--average", 5, check=False
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: --average must be")
    assert not (save_dir / "average5.pt").exists()


def test_every_sentence_has_its_scores(data_bin: Path, trained: Path) -> None:
    run_command("bash", "scripts/evaluate.sh", trained, data_bin, "--gen-subset", "valid")
    header, *rows = (trained / "evaluation-valid" / "sentences.tsv").read_text().splitlines()
    assert header.split("\t") == ["sentence", "bleu", "chrf"]
    assert [row.split("\t")[0] for row in rows] == [str(number) for number in range(100)]
    assert sum(float(row.split("\t")[1]) == 100 for row in rows) > 90


def test_scores_on_a_part_of_the_corpus_say_so(
    data_bin: Path, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(data_bin.parent, tmp_path / "corpus")
    shutil.copy(trained / "checkpoint_best.pt", tmp_path)
    path = tmp_path / "corpus" / FILE_NAME
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, "subset": {"newstest.de.sgm": [100, 3003]}}))
    result = run_command(
        "bash",
        "scripts/evaluate.sh",
        tmp_path / "checkpoint_best.pt",
        tmp_path / "corpus" / "data-bin",
    )
    *_, label, last = result.stdout.splitlines()
    assert label == "Not the known corpus (lines of each file): newstest.de.sgm 100 of 3003"
    assert json.loads(last)["subset"] == {"newstest.de.sgm": [100, 3003]}
