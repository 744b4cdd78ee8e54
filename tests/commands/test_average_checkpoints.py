"""average_checkpoints.py on what fairseq-train writes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.commandline import refusal, run_command, train

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.checkpoints.averaging import best, main


def test_the_mean_of_the_last_is_that_of_their_parameters(trained: Path, tmp_path: Path) -> None:
    mean = tmp_path / "mean.pt"
    command = ("python3", "scripts/average_checkpoints.py", "--output", mean, "--last-updates", 3)
    *used, last = run_command(*command, trained).stdout.splitlines()
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


def test_the_best_are_those_that_fairseq_calls_best(trained: Path) -> None:
    losses = {
        path: load_checkpoint(path)["extra_state"]["val_loss"]
        for path in trained.glob("checkpoint.best_loss_*.pt")
    }
    assert len(losses) == 3
    # Names hold three decimals, so order them by what is in the files.
    assert best(trained, 1) == [min(losses, key=lambda path: round(losses[path], 3))]
    overall = load_checkpoint(trained / "checkpoint_best.pt")["extra_state"]["val_loss"]
    assert losses[best(trained, 3)[-1]] == pytest.approx(overall, abs=1e-3)


def test_training_can_continue_from_an_averaged_model(
    data_bin: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean = tmp_path / "mean.pt"
    epochs = sorted(trained.glob("checkpoint[0-9].pt"))
    monkeypatch.setattr("sys.argv", ["command", "--output", str(mean), *map(str, epochs)])
    main()
    finetune = ("--finetune-from-model", mean, "--max-update", 1, "--no-save")
    assert "done training" in train(data_bin, tmp_path / "run", *finetune)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "--last-updates 4 {run}",
            "--last-updates must be at most the number of files checkpoint_EPOCH_UPDATE.pt in "
            "{run}, 3, but is 4.",
        ),
        ("--best 0 {run}", "--best must be a whole number of at least 1, but is '0'."),
        (
            "--best 1 --last-epochs 1 {run}",
            "--best must be given without --last-epochs, but both are given.",
        ),
        ("--best 1 {run} {run}", "--best must be followed by one SAVE_DIR, but 2 are given."),
        (
            "{run}",
            "SAVE_DIR must come with one of --last-updates, --last-epochs, --best, but {run} "
            "comes with none.",
        ),
        ("/nowhere.pt", "/nowhere.pt must be a checkpoint, but is missing."),
        ("--output {run} x.pt", "--output must be a file, but {run} is a directory."),
        (
            "--output /nowhere/mean.pt x.pt",
            "--output must be in an existing directory, but /nowhere does not exist.",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(tmp_path: Path, arguments: str, message: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for updates in (1, 2, 3):
        (run / f"checkpoint_1_{updates}.pt").touch()
    words = arguments.format(run=run).split()
    assert refusal(main, "--output", tmp_path / "mean.pt", *words) == message.format(run=run)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
