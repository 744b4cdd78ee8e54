"""Mechanisms through the real commands: trained, saved, loaded, translated with beams, scored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.commandline import logged, run_command, train

from attn_nmt.checkpoints import load_checkpoint


def bleu(save_dir: Path, data_bin: Path) -> float:
    scored = run_command("bash", "scripts/evaluate.sh", save_dir, data_bin)
    return float(json.loads(scored.stdout.splitlines()[-1])["bleu"])


@pytest.mark.parametrize(
    "arch",
    [
        "attn_transformer_deformable_tiny",
        "attnnone_deformable_tiny",
        "attn_transformer_dynamic_tiny",
        "attn_transformer_lightweight_tiny",
    ],
)
def test_a_copy_task_is_learned(data_bin: Path, tmp_path: Path, arch: str) -> None:
    train(data_bin, tmp_path, "--max-update", 200, arch=arch)
    assert bleu(tmp_path, data_bin) > 95


@pytest.mark.parametrize(
    "arch", ["attn_transformer_tiny", "attn0010_deformable_tiny", "attn_transformer_dynamic_tiny"]
)
def test_bf16_reaches_the_loss_of_float32(data_bin: Path, tmp_path: Path, arch: str) -> None:
    flags = ("--max-update", 150, "--log-interval", 10)
    logs = {
        name: train(data_bin, tmp_path / name, *flags, *more, arch=arch)
        for name, more in {"fp32": [], "bf16": ["--bf16"]}.items()
    }
    fp32, bf16 = (logged(log, "nll_loss", "valid")[-1] for log in logs.values())
    assert fp32 < 0.15
    # Three seeds in float32 lay within 0.002 of each other.
    assert bf16 == pytest.approx(fp32, abs=0.01)
    first, other = (logged(log, "nll_loss", "train_inner")[0] for log in logs.values())
    assert first != other


def test_terms_layer_by_layer_through_the_command_line(data_bin: Path, tmp_path: Path) -> None:
    """Trained, saved, loaded and translated: encoder 0010, decoder 0110, cross 1100, a span."""
    flags = (
        "--encoder-self-attn-terms",
        "0010",
        "--decoder-self-attn-terms",
        "0110",
        "--cross-attn-terms",
        "1100",
        "--self-attn-span",
        5,
        "--max-update",
        150,
    )
    train(data_bin, tmp_path, *flags)
    model = load_checkpoint(tmp_path / "checkpoint_last.pt")["model"]
    assert "encoder.layers.0.self_attn.q_proj.weight" not in model
    assert "decoder.layers.0.self_attn.v" not in model
    assert "decoder.layers.0.encoder_attn.u" not in model
    scored = run_command("bash", "scripts/evaluate.sh", tmp_path, data_bin)
    assert json.loads(scored.stdout.splitlines()[-1])["bleu"] > 90


def test_mechanisms_side_by_side_through_the_command_line(data_bin: Path, tmp_path: Path) -> None:
    """Encoder dynamic behind a deformable convolution, decoder 0110, broadcasting."""
    flags = (
        "--encoder-self-attn-type",
        "dynamic",
        "--conv-kernel-sizes",
        7,
        "--conv-heads",
        8,
        "--conv-glu",
        "off",
        "--encoder-deformable-kernel-size",
        3,
        "--context-broadcast",
        "scaled",
        "--max-update",
        200,
    )
    train(data_bin, tmp_path, *flags, arch="attn0110_tiny")
    model = load_checkpoint(tmp_path / "checkpoint_last.pt")["model"]
    assert model["encoder.layers.0.self_attn.kernel_proj.weight"].shape == (8 * 7, 64)
    assert model["encoder.layers.0.deformable.offset_proj.weight"].shape == (3, 64)
    assert "decoder.layers.0.deformable.weight" not in model
    assert model["decoder.layers.0.context_broadcast.scale"].abs().min() > 0
    assert bleu(tmp_path, data_bin) > 95


def test_offsets_are_logged_from_interval_to_interval(data_bin: Path, tmp_path: Path) -> None:
    """Also after a resumed run, whose checkpoint holds the meters."""
    flags = ("--log-offsets", "--log-interval", 5, "--warmup-updates", 5)
    arch = "attn_transformer_deformable_tiny"
    first = train(data_bin, tmp_path, *flags, "--max-update", 10, arch=arch)
    second = train(data_bin, tmp_path, *flags, "--max-update", 20, arch=arch)
    for log in (first, second):
        means, maxima, outside = (
            logged(log, name, "train_inner")
            for name in ("offset_mean", "offset_max", "offset_outside")
        )
        assert len(means) == len(maxima) == len(outside) == 2
        assert all(0 < mean < maximum for mean, maximum in zip(means, maxima, strict=True))
        # Of three taps in sentences of 3 to 9 tokens, two of them backwards in the decoder.
        assert all(0.1 < share < 0.3 for share in outside)
    silent = train(data_bin, tmp_path / "silent", "--log-interval", 5, "--max-update", 5, arch=arch)
    assert "offset" not in next(line for line in silent.splitlines() if "train_inner" in line)
