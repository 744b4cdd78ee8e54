"""average_checkpoints.py on what fairseq-train writes, and evaluate.sh on the result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from support.commandline import run_command, train

from attn_nmt.averaging import best
from attn_nmt.checkpoints import load_checkpoint

COMMAND = ("python3", "scripts/average_checkpoints.py")


@pytest.fixture(scope="module")
def save_dir(data_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that kept three checkpoints each way."""
    folder = tmp_path_factory.mktemp("kept") / "run"
    train(
        data_bin,
        folder,
        "--max-update",
        140,
        "--save-interval-updates",
        10,
        "--keep-interval-updates",
        3,
        "--keep-best-checkpoints",
        3,
        threads=1,
    )
    return folder


def test_the_mean_of_the_last_translates(data_bin: Path, save_dir: Path, tmp_path: Path) -> None:
    mean = tmp_path / "mean.pt"
    result = run_command(*COMMAND, "--output", mean, "--last-updates", 3, save_dir)
    *used, last = result.stdout.splitlines()
    assert last == f"mean of 3: {mean}"
    models = [load_checkpoint(Path(path))["model"] for path in used]
    assert len(models) == 3
    found = load_checkpoint(mean)["model"]
    assert list(found) == list(models[0])
    for name, value in found.items():
        wide = torch.stack([model[name].double() for model in models]).mean(dim=0)
        torch.testing.assert_close(value.double(), wide, rtol=1e-7, atol=1e-9)
    tied = {found[f"{side}.embed_tokens.weight"].data_ptr() for side in ("encoder", "decoder")}
    assert len(tied) == 1
    scored = run_command("bash", "scripts/evaluate.sh", mean, data_bin, threads=1)
    assert json.loads(scored.stdout.splitlines()[-1])["bleu"] > 90


def test_the_best_are_those_that_fairseq_calls_best(save_dir: Path) -> None:
    losses = {
        path: load_checkpoint(path)["extra_state"]["val_loss"]
        for path in save_dir.glob("checkpoint.best_loss_*.pt")
    }
    assert len(losses) == 3
    # Names hold three places, so order them by what is in the files.
    assert best(save_dir, 1) == [min(losses, key=lambda path: round(losses[path], 3))]
    overall = load_checkpoint(save_dir / "checkpoint_best.pt")["extra_state"]["val_loss"]
    assert losses[best(save_dir, 3)[-1]] == pytest.approx(overall, abs=1e-3)


def test_an_averaged_model_can_be_trained_on(
    data_bin: Path, save_dir: Path, tmp_path: Path
) -> None:
    mean = tmp_path / "mean.pt"
    epochs = sorted(save_dir.glob("checkpoint[0-9].pt"))
    run_command(*COMMAND, "--output", mean, *epochs)
    log = train(
        data_bin,
        tmp_path / "on",
        "--finetune-from-model",
        mean,
        "--max-update",
        1,
        "--no-save",
        threads=1,
    )
    assert "done training" in log


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--last-updates", "4", "{run}"],
            "--last-updates must be at most the number of files checkpoint_EPOCH_UPDATE.pt in "
            "{run}, 3, but is 4.",
        ),
        (["--best", "0", "{run}"], "--best must be a whole number of at least 1, but is '0'."),
        (
            ["--best", "1", "--last-epochs", "1", "{run}"],
            "--best must be given without --last-epochs, but both are given.",
        ),
        (
            ["--best", "1", "{run}", "{run}"],
            "--best must be followed by one SAVE_DIR, but 2 are given.",
        ),
        (
            ["{run}"],
            "SAVE_DIR must come with one of --last-updates, --last-epochs, --best, but {run} "
            "comes with none.",
        ),
        (["/nowhere.pt"], "/nowhere.pt must be a checkpoint, but is missing."),
        (["--output", "{run}", "x.pt"], "--output must be a file, but {run} is a folder."),
        (
            ["--output", "/nowhere/mean.pt", "x.pt"],
            "--output must be in a folder that exists, but /nowhere does not.",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    save_dir: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = run_command(
        *COMMAND,
        "--output",
        tmp_path / "mean.pt",
        *(a.format(run=save_dir) for a in arguments),
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.splitlines() == [f"error: {message.format(run=save_dir)}"]
    assert list(tmp_path.iterdir()) == []
