"""fairseq's own commands with our user-dir: train, resume, validate, interactive, hydra."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.commandline import RECIPE, ROOT, SMALL, copies, logged, run_command, train

from attn_nmt.checkpoints import load_checkpoint

# fairseq-validate knows no default task.
VALIDATE = ("--task", "translation", "--max-tokens", 2000)


def test_a_copy_task_is_learned(data_bin: Path, trained: Path) -> None:
    validated = run_command(
        "fairseq-validate",
        data_bin,
        "--user-dir",
        "attn_nmt",
        "--path",
        trained / "checkpoint_best.pt",
        *VALIDATE,
    )
    log = validated.stdout + validated.stderr
    # Label smoothing keeps the model from certainty: 1.07 was seen, 44 before it learns.
    assert 1.0 < logged(log, "ppl", "valid")[-1] < 1.2
    scored = run_command("bash", "scripts/evaluate.sh", trained, data_bin)
    assert json.loads(scored.stdout.splitlines()[-1])["bleu"] > 98


def test_validation_in_training_sees_the_weights_of_the_checkpoint(
    data_bin: Path, tmp_path: Path
) -> None:
    log = train(data_bin, tmp_path, "--max-update", 60)
    validated = run_command(
        "fairseq-validate",
        data_bin,
        "--user-dir",
        "attn_nmt",
        "--path",
        tmp_path / "checkpoint_last.pt",
        *VALIDATE,
    )
    losses = logged(log, "loss", "valid")
    assert len(losses) >= 3
    found = logged(validated.stdout + validated.stderr, "loss", "valid")[-1]
    assert found == pytest.approx(losses[-1], abs=0.002)


def test_evaluate_prints_labelled_lines_and_keeps_what_it_found(
    data_bin: Path, trained: Path
) -> None:
    scored = run_command(
        "bash",
        "scripts/evaluate.sh",
        trained / "checkpoint_last.pt",
        data_bin,
        "--gen-subset",
        "valid",
        "--beam",
        2,
    )
    *labelled, last = scored.stdout.splitlines()
    assert [line.split(" = ")[0] for line in labelled] == [
        "BLEU",
        "BLEU, tokenised",
        "BLEU, tokenised and compound-split",
        "chrF",
    ]
    scores = json.loads(last)
    assert set(scores) >= {
        "bleu",
        "bleu_signature",
        "bleu_tokenized",
        "bleu_compound_split",
        "chrf",
        "sentences",
    }
    assert scores["sentences"] == 100
    folder = trained / "evaluation-valid"
    assert json.loads((folder / "scores.json").read_text()) == scores
    hypotheses = (folder / "hypotheses.de").read_text(encoding="utf-8").splitlines()
    right = [line for line, _ in copies(1, 100)]
    assert sum(map(str.__eq__, hypotheses, right)) > 90
    assert [path.name for path in trained.glob(".evaluation*")] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{trained}", "/nowhere"], "DATA_BIN must be a folder, but /nowhere is none."),
        (["/nowhere", "{data_bin}"], "/nowhere must be a checkpoint, but is missing."),
        (
            ["{data_bin}", "{data_bin}"],
            "CHECKPOINT_OR_DIR must hold checkpoint_best.pt or checkpoint_last.pt, but {data_bin} "
            "holds neither.",
        ),
        (
            ["{trained}", "{data_bin}", "--gen-subset", "test1"],
            "--gen-subset must be one of train, valid, test, but is 'test1'.",
        ),
        (
            ["{trained}", "{trained}"],
            "{parent}/data_card.json must exist, since it says how the data was prepared, but is "
            "missing; prepare the data with a script of data_prep/.",
        ),
    ],
)
def test_evaluate_refuses_bad_input_in_one_sentence(
    data_bin: Path, trained: Path, arguments: list[str], message: str
) -> None:
    names = {"trained": trained, "data_bin": data_bin, "parent": trained.parent}
    result = run_command(
        "bash", "scripts/evaluate.sh", *(a.format(**names) for a in arguments), check=False
    )
    assert result.returncode == 1
    assert result.stderr.splitlines() == [f"error: {message.format(**names)}"]
    assert result.stdout == ""


def test_a_reference_of_another_length_is_an_error(
    data_bin: Path, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(data_bin.parent, tmp_path / "corpus")
    reference = tmp_path / "corpus" / "raw" / "test.de"
    reference.write_text(reference.read_text() + "noch ein Satz\n")
    result = run_command(
        "bash", "scripts/evaluate.sh", trained, tmp_path / "corpus" / "data-bin", check=False
    )
    assert result.returncode == 1
    assert "must have 100 lines as the data card says, but has 101." in result.stderr


def test_interactive_translates_standard_input(data_bin: Path, trained: Path) -> None:
    card = data_bin.parent
    result = run_command(
        "fairseq-interactive",
        data_bin,
        "--user-dir",
        "attn_nmt",
        "--path",
        trained / "checkpoint_best.pt",
        "--bpe",
        "subword_nmt",
        "--bpe-codes",
        card / "bpe.codes",
        stdin="ba do ki\n",
    )
    translation = next(line for line in result.stdout.splitlines() if line.startswith("D-0"))
    assert translation.endswith("\tba do ki")


def test_a_resumed_run_equals_an_uninterrupted_one(data_bin: Path, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("how", ["relative", "absolute", "printed"])
def test_the_user_dir_may_be_given_in_any_way(data_bin: Path, tmp_path: Path, how: str) -> None:
    printed = run_command("python3", "-m", "attn_nmt", cwd=tmp_path).stdout.strip()
    user_dir = {"relative": "attn_nmt", "absolute": ROOT / "attn_nmt", "printed": printed}[how]
    log = train(data_bin, tmp_path, "--max-update", 1, "--no-save", user_dir=user_dir)
    assert logged(log, "num_updates", "train") == [1]


def test_the_installed_package_works_as_user_dir(
    data_bin: Path, trained: Path, tmp_path: Path
) -> None:
    """Not the checkout: a copy installed elsewhere, found from another folder."""
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(ROOT / "attn_nmt", source / "attn_nmt")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run_command(
        "python3",
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        site,
        source,
    )
    shutil.rmtree(source)
    with_site = ("env", f"PYTHONPATH={site}")
    user_dir = run_command(*with_site, "python3", "-m", "attn_nmt", cwd=tmp_path).stdout.strip()
    assert user_dir == str(site / "attn_nmt")
    assert (site / "attn_nmt" / "config" / "wmt_en_de.yaml").is_file()
    assert (site / "attn_nmt" / "study" / "reporting" / "page.html").is_file()
    result = run_command(
        *with_site,
        "fairseq-validate",
        data_bin,
        "--user-dir",
        user_dir,
        "--path",
        trained / "checkpoint_best.pt",
        *VALIDATE,
        cwd=tmp_path,
    )
    assert logged(result.stdout + result.stderr, "ppl", "valid")


def test_hydra_trains_from_the_yaml_file(data_bin: Path, tmp_path: Path) -> None:
    run_command(
        "fairseq-hydra-train",
        "--config-dir",
        ROOT / "attn_nmt" / "config",
        "--config-name",
        "wmt_en_de",
        f"common.user_dir={ROOT / 'attn_nmt'}",
        f"task.data={data_bin}",
        f"checkpoint.save_dir={tmp_path / 'run'}",
        "optimization.max_update=2",
        "dataset.max_tokens=500",
        "model.encoder_layers=1",
        "model.decoder_layers=1",
        "model.encoder_embed_dim=64",
        "model.decoder_embed_dim=64",
        f"hydra.run.dir={tmp_path}",
    )
    state = load_checkpoint(tmp_path / "run" / "checkpoint_last.pt")
    assert state["optimizer_history"][-1]["num_updates"] == 2
    assert state["cfg"]["model"]["_name"] == "attn_transformer"
    assert state["cfg"]["model"]["encoder_ffn_embed_dim"] == 2048
    run_command(
        "fairseq-validate",
        data_bin,
        "--user-dir",
        "attn_nmt",
        "--path",
        tmp_path / "run" / "checkpoint_last.pt",
        *VALIDATE,
    )


def test_hydra_refuses_a_misspelt_field(data_bin: Path, tmp_path: Path) -> None:
    result = run_command(
        "fairseq-hydra-train",
        "--config-dir",
        ROOT / "attn_nmt" / "config",
        "--config-name",
        "wmt_en_de",
        f"common.user_dir={ROOT / 'attn_nmt'}",
        f"task.data={data_bin}",
        "+model.encoder_layer=1",
        f"hydra.run.dir={tmp_path}",
        check=False,
    )
    assert result.returncode != 0
    assert (
        "encoder_layer" in result.stderr.splitlines()[-1] or "Key 'encoder_layer'" in result.stderr
    )


@pytest.mark.parametrize(
    ("flag", "value", "ending"),
    [
        (
            "--encoder-attention-heads",
            5,
            "--encoder-attention-heads must divide --encoder-embed-dim (64), but is 5 instead.",
        ),
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
            6,
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
def test_training_refuses_a_bad_flag_by_name(
    data_bin: Path, tmp_path: Path, flag: str, value: object, ending: str
) -> None:
    result = run_command(
        "fairseq-train",
        data_bin,
        "--user-dir",
        "attn_nmt",
        "--arch",
        "attn_transformer_tiny",
        *SMALL,
        *RECIPE,
        "--save-dir",
        tmp_path,
        flag,
        value,
        check=False,
    )
    assert result.returncode != 0
    # Python 3.12 prints choices without quotes.
    unquoted = result.stderr.splitlines()[-1].replace("'", "")
    assert unquoted.endswith(ending.replace("'", ""))


def test_bleu_can_choose_the_best_checkpoint(data_bin: Path, tmp_path: Path) -> None:
    """With --eval-bleu fairseq saves numpy arrays; they must load again, to resume."""
    flags = (
        "--eval-bleu",
        "--eval-bleu-args",
        '{"beam": 1, "max_len_b": 8}',
        "--eval-bleu-detok",
        "moses",
        "--eval-bleu-remove-bpe",
        "--best-checkpoint-metric",
        "bleu",
        "--maximize-best-checkpoint-metric",
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
