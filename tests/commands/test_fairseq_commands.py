"""fairseq's own commands with our user-dir: train, resume, validate, interactive, hydra."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from fairseq import options, tasks
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from support.commandline import (
    RECIPE,
    ROOT,
    SMALL,
    fairseq,
    logged,
    run_command,
    train,
    validate,
)

import attn_nmt.models  # noqa: F401  registers the architectures
from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.training.command import build_commands
from attn_nmt.training.devices import Gpus, Nodes
from attn_nmt.training.options import read

HYDRA = (
    *("--config-dir", ROOT / "attn_nmt" / "config", "--config-name", "wmt_en_de"),
    f"common.user_dir={ROOT / 'attn_nmt'}",
)


def test_a_copy_task_is_learned_and_validated_as_in_training(data_bin: Path, trained: Path) -> None:
    """Validation in training uses the weights that the checkpoint holds."""
    in_training = logged((trained / "train.log").read_text(), "loss", "valid")
    assert len(in_training) >= 3
    log = validate(data_bin, trained / "checkpoint_last.pt")
    assert logged(log, "loss", "valid")[-1] == pytest.approx(in_training[-1], abs=0.002)
    # Label smoothing keeps the model from certainty: 1.07 was seen, 44 before it learns.
    assert 1.0 < logged(log, "ppl", "valid")[-1] < 1.2


def test_interactive_translates_standard_input(data_bin: Path, trained: Path) -> None:
    codes = data_bin.parent / "bpe.codes"
    log = fairseq(
        *("interactive", data_bin, "--user-dir", "attn_nmt"),
        *("--path", trained / "checkpoint_best.pt", "--bpe", "subword_nmt", "--bpe-codes", codes),
        stdin="ba do ki\n",
    )
    translation = next(line for line in log.splitlines() if line.startswith("D-0"))
    assert translation.endswith("\tba do ki")


def test_a_resumed_training_equals_an_uninterrupted_one(data_bin: Path, tmp_path: Path) -> None:
    """Stopped within an epoch: same losses, same parameters, to the last bit."""
    flags = ("--log-interval", 1, "--no-epoch-checkpoints")
    whole = train(data_bin, tmp_path / "whole", *flags, "--max-update", 24)
    first = train(data_bin, tmp_path / "parts", *flags, "--max-update", 11)
    second = train(data_bin, tmp_path / "parts", *flags, "--max-update", 24)
    losses = [logged(log, "loss", "train_inner") for log in (whole, first, second)]
    assert len(losses[0]) == 24
    assert losses[1] + losses[2] == losses[0]
    models = [
        load_checkpoint(tmp_path / name / "checkpoint_last.pt")["model"]
        for name in ("whole", "parts")
    ]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_a_training_goes_on_with_the_other_optimizer(data_bin: Path, tmp_path: Path) -> None:
    flags = ("--no-epoch-checkpoints", "--save-dir", tmp_path)
    train(data_bin, tmp_path, *flags, "--optimizer", "adam", "--max-update", 3)
    log = train(data_bin, tmp_path, *flags, "--optimizer", "fused_adam", "--max-update", 6)
    assert logged(log, "num_updates", "train") == [6]
    optimizer = load_checkpoint(tmp_path / "checkpoint_last.pt")["last_optimizer_state"]
    assert optimizer["state"][0]["step"] == 6


def test_the_printed_user_dir_works_in_any_directory(data_bin: Path, tmp_path: Path) -> None:
    """The other tests give it as a path relative to the project's directory."""
    printed = run_command("python3", "-m", "attn_nmt", "path", cwd=tmp_path).stdout.strip()
    assert printed == str(ROOT / "attn_nmt")
    model = ("--user-dir", printed, "--arch", "attn_transformer_tiny", *SMALL, *RECIPE)
    result = run_command(
        "fairseq-train", data_bin, *model, "--max-update", 1, "--no-save", cwd=tmp_path
    )
    assert logged(result.stdout + result.stderr, "num_updates", "train") == [1]


def repository() -> set[Path]:
    """What is in the repository, without what Python, tests and trainings keep there."""
    ignored = (ROOT / ".gitignore").read_text().split()
    return {
        path
        for top in ROOT.iterdir()
        if not top.name.startswith(".") and f"/{top.name}/" not in ignored
        for path in (top, *top.rglob("*"))
        if "__pycache__" not in path.parts
    }


def test_hydra_trains_from_the_yaml_file(data_bin: Path, tmp_path: Path) -> None:
    small = shlex.split(
        "optimization.max_update=2 dataset.max_tokens=500 model.encoder_layers=1 "
        "model.decoder_layers=1 model.encoder_embed_dim=64 model.decoder_embed_dim=64"
    )
    before = repository()
    places = (f"task.data={data_bin}", f"checkpoint.save_dir={tmp_path / 'run'}")
    fairseq("hydra-train", *HYDRA, *places, *small)
    assert repository() == before
    assert {"checkpoint_last.pt", "hydra_train.log"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    state = load_checkpoint(tmp_path / "run" / "checkpoint_last.pt")
    assert state["optimizer_history"][-1]["num_updates"] == 2
    assert state["cfg"]["model"]["_name"] == "attn_transformer"
    assert state["cfg"]["model"]["encoder_ffn_embed_dim"] == 2048
    assert state["cfg"]["optimization"]["update_freq"] == [7]
    validate(data_bin, tmp_path / "run" / "checkpoint_last.pt")


def numbers(value: Any) -> list[float]:
    """Return one number or a list of them; YAML reads 1e-7 as text."""
    return [float(value)] if isinstance(value, float | int | str) else [float(n) for n in value]


def test_the_yaml_file_has_the_recipe(data_bin: Path) -> None:
    """Every value that train.sh gives fairseq-train on one device."""
    config = yaml.safe_load((ROOT / "attn_nmt" / "config" / "wmt_en_de.yaml").read_text())
    arch = "attn_transformer_wmt_en_de"
    given = read([arch, str(data_bin), "run"])
    (command,) = build_commands(given, Gpus(0, bf16=False), Nodes(1, 0, "127.0.0.1", 1))
    args = options.parse_args_and_arch(
        options.get_training_parser(), input_args=list(command.argv[3:])
    )
    recipe = convert_namespace_to_omegaconf(args)
    for group in ("optimization", "dataset", "lr_scheduler", "criterion", "checkpoint"):
        for name, value in config[group].items():
            if name not in ("_name", "save_dir"):
                assert numbers(value) == pytest.approx(numbers(recipe[group][name])), name


def test_hydra_refuses_missing_data_in_a_sentence(tmp_path: Path) -> None:
    before = repository()
    log = fairseq("hydra-train", *HYDRA, f"checkpoint.save_dir={tmp_path / 'run'}", check=False)
    assert log.splitlines()[-1] == (
        "error: task.data must be what fairseq-preprocess wrote, but is not given."
    )
    assert "Traceback" not in log
    assert repository() == before


def test_hydra_refuses_a_missing_save_dir_by_name(data_bin: Path) -> None:
    before = repository()
    log = fairseq("hydra-train", *HYDRA, f"task.data={data_bin}", check=False)
    assert "checkpoint_save_dir_must_be_given" in log and "begin training" not in log
    assert repository() == before


def test_hydra_refuses_a_misspelt_field(data_bin: Path, tmp_path: Path) -> None:
    fields = (f"task.data={data_bin}", "+model.encoder_layer=1", f"checkpoint.save_dir={tmp_path}")
    log = fairseq("hydra-train", *HYDRA, *fields, check=False)
    assert "encoder_layer" in log.splitlines()[-1] or "Key 'encoder_layer'" in log


def test_training_refuses_a_bad_flag_in_its_last_line(data_bin: Path, tmp_path: Path) -> None:
    model = ("--user-dir", "attn_nmt", "--arch", "attn_transformer_tiny", *SMALL, *RECIPE)
    wrong = ("--encoder-attention-heads", 5, "--save-dir", tmp_path)
    assert fairseq("train", data_bin, *model, *wrong, check=False).splitlines()[-1] == (
        "error: --encoder-attention-heads must divide --encoder-embed-dim (64), but is 5 instead."
    )


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        (
            "--self-attn-terms",
            "0112",
            "--self-attn-terms must be four bits, each 0 or 1, or none, but is '0112' instead.",
        ),
        (
            "--cross-attn-terms",
            "none",
            "--cross-attn-terms must be four bits, each 0 or 1, but is 'none' instead.",
        ),
        (
            "--self-attn-span",
            "6",
            "--self-attn-span must be odd, or 0 for no limit, but is 6 instead.",
        ),
        (
            "--self-attn-type",
            "recurrent",
            "argument --self-attn-type: invalid choice: 'recurrent' "
            "(choose from 'relative', 'dynamic', 'lightweight', 'none')",
        ),
    ],
)
def test_a_bad_flag_is_refused_by_name(data_bin: Path, flag: str, value: str, message: str) -> None:
    """By fairseq-train's own steps until the model is built."""
    words = [str(data_bin), "--arch", "attn_transformer_tiny", *SMALL, *RECIPE, flag, value]
    with pytest.raises(UsageError) as error:
        args = options.parse_args_and_arch(options.get_training_parser(), input_args=words)
        config = convert_namespace_to_omegaconf(args)
        tasks.setup_task(config.task).build_model(config.model)
    # Python 3.12 prints choices without quotes.
    assert str(error.value).replace("'", "") == message.replace("'", "")


def test_bleu_can_choose_the_best_checkpoint(data_bin: Path, tmp_path: Path) -> None:
    """With --eval-bleu fairseq saves numpy arrays; they must load again, to resume."""
    flags = shlex.split(
        """--eval-bleu --eval-bleu-args '{"beam": 1, "max_len_b": 8}' --eval-bleu-detok moses
        --eval-bleu-remove-bpe --best-checkpoint-metric bleu --maximize-best-checkpoint-metric"""
    )
    for updates in (2, 4):
        log = train(data_bin, tmp_path, *flags, "--max-update", updates)
        assert logged(log, "bleu", "valid")


def test_modules_and_terms_import_without_fairseq() -> None:
    code = (
        "import sys; sys.modules['fairseq'] = sys.modules['hydra'] = None;"
        "import attn_nmt.terms, attn_nmt.functional.energies;"
        "from attn_nmt.modules import RelativeMultiheadAttention as A; A(8, 2)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_an_imported_package_registers_its_models_on_request() -> None:
    """fairseq passes over a user-dir that is imported already, also if its models are not."""
    program = (
        "import argparse, attn_nmt.modules, attn_nmt.models\n"
        "from fairseq.models import ARCH_MODEL_REGISTRY\n"
        "from fairseq.utils import import_user_module\n"
        "import_user_module(argparse.Namespace(user_dir='attn_nmt'))\n"
        "print('attn0110_tiny' in ARCH_MODEL_REGISTRY)\n"
    )
    assert run_command("python3", "-c", program).stdout == "True\n"
