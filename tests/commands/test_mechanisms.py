"""Mechanisms through fairseq's commands: trained, saved, loaded, translated with beams, scored."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commandline import logged, shared_directory, train, translate

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.evaluation.scores import score

Learn = Callable[[str], Path]
# The least that every mechanism learns to copy with; lightweight convolution takes longest.
FAST = shlex.split("--max-tokens 800 --lr 0.01 --warmup-updates 50 --no-epoch-checkpoints")


def bleu(data_bin: Path, save_dir: Path) -> float:
    references = (data_bin.parent / "raw" / "test.de").read_text().splitlines()
    return score(translate(data_bin, save_dir), references, "de").bleu


def validation_loss(log: str, update: int) -> float:
    """Return the loss of the validation after so many updates."""
    updates, losses = (logged(log, field, "valid") for field in ("num_updates", "nll_loss"))
    return dict(zip(updates, losses, strict=True))[update]


@pytest.fixture(scope="session")
def learned(data_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Learn:
    """Trains an architecture on the copy task, once; its directory also holds the log."""

    def learn(arch: str) -> Path:
        def make(save_dir: Path) -> None:
            flags = (*FAST, "--max-update", 200, "--log-interval", 10)
            log = train(data_bin, save_dir, *flags, "--validate-interval-updates", 130, arch=arch)
            (save_dir / "train.log").write_text(log)

        return shared_directory(tmp_path_factory, arch, make)

    return learn


@pytest.mark.parametrize(
    "arch",
    [
        "attn_transformer_deformable_tiny",
        "attnnone_deformable_tiny",
        "attn_transformer_dynamic_tiny",
        "attn_transformer_lightweight_tiny",
    ],
)
def test_every_mechanism_learns_a_copy_task(data_bin: Path, learned: Learn, arch: str) -> None:
    assert bleu(data_bin, learned(arch)) > 95


@pytest.mark.parametrize(
    "arch", ["attn_transformer_tiny", "attn0010_deformable_tiny", "attn_transformer_dynamic_tiny"]
)
def test_bf16_reaches_the_loss_of_float32(
    data_bin: Path, learned: Learn, tmp_path: Path, arch: str
) -> None:
    flags = (*FAST, "--max-update", 130, "--log-interval", 10, "--bf16")
    logs = [(learned(arch) / "train.log").read_text(), train(data_bin, tmp_path, *flags, arch=arch)]
    fp32, bf16 = (validation_loss(log, 130) for log in logs)
    assert fp32 < 0.15
    # Two seeds in float32 lay within 0.005 of each other.
    assert bf16 == pytest.approx(fp32, abs=0.01)
    first_losses = [logged(log, "nll_loss", "train_inner")[0] for log in logs]
    assert first_losses[0] != first_losses[1]


def test_terms_may_differ_between_layers_and_attentions(data_bin: Path, tmp_path: Path) -> None:
    """Encoder 0010, decoder 0110, cross 1100, a span."""
    flags = shlex.split(
        "--encoder-self-attn-terms 0010 --decoder-self-attn-terms 0110 --cross-attn-terms 1100 "
        "--self-attn-span 5 --max-update 150"
    )
    train(data_bin, tmp_path, *FAST, *flags)
    model = load_checkpoint(tmp_path / "checkpoint_last.pt")["model"]
    assert "encoder.layers.0.self_attn.q_proj.weight" not in model
    assert "decoder.layers.0.self_attn.v" not in model
    assert "decoder.layers.0.encoder_attn.u" not in model
    assert bleu(data_bin, tmp_path) > 90


def test_mechanisms_may_be_mixed(data_bin: Path, tmp_path: Path) -> None:
    """Encoder dynamic behind a deformable convolution, decoder 0110, broadcasting."""
    flags = shlex.split(
        "--encoder-self-attn-type dynamic --conv-kernel-sizes 7 --conv-heads 8 --conv-glu off "
        "--encoder-deformable-kernel-size 3 --context-broadcast scaled "
        "--max-update 200"
    )
    train(data_bin, tmp_path, *FAST, *flags, arch="attn0110_tiny")
    model = load_checkpoint(tmp_path / "checkpoint_last.pt")["model"]
    assert model["encoder.layers.0.self_attn.kernel_proj.weight"].shape == (8 * 7, 64)
    assert model["encoder.layers.0.deformable.offset_proj.weight"].shape == (3, 64)
    assert "decoder.layers.0.deformable.weight" not in model
    assert model["decoder.layers.0.context_broadcast.scale"].abs().min() > 0
    assert bleu(data_bin, tmp_path) > 95


def test_offsets_are_logged_at_every_interval_on_request(
    data_bin: Path, learned: Learn, tmp_path: Path
) -> None:
    """Also in a resumed training, whose checkpoint holds the meters."""
    flags = shlex.split("--log-offsets --log-interval 5 --warmup-updates 5")
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
    without = (learned(arch) / "train.log").read_text()
    assert "offset" not in next(line for line in without.splitlines() if "train_inner" in line)
