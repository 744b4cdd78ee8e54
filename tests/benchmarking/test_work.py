"""The models and batches that are timed, and one step of each kind of work."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from attn_nmt.benchmarking.models import BASELINES, Model, build, dictionary
from attn_nmt.benchmarking.work import (
    MAX_LENGTH,
    PAD,
    WORK,
    Sizes,
    batch_of_sentences,
    batch_of_tokens,
)

SMALL = Sizes(tokens=40, sentences=3, beam=2, length=30, vocabulary=50)
TINY = "attn0010_deformable_tiny"


@pytest.mark.parametrize("arch", BASELINES)
def test_the_baseline_has_the_same_widths(arch: str) -> None:
    model = Model(TINY, {"encoder_layers": 1, "decoder_ffn_embed_dim": 96})
    own = build(model, dictionary(50))
    stock = build(model.baseline(arch), dictionary(50))
    assert not type(stock).__module__.startswith("attn_nmt")
    for side in ("encoder", "decoder"):
        assert len(getattr(own, side).layers) == len(getattr(stock, side).layers)
        pairs = zip(getattr(own, side).layers, getattr(stock, side).layers, strict=True)
        assert all(one.fc1.weight.shape == two.fc1.weight.shape for one, two in pairs)
        for layer in getattr(stock, side).layers:
            dropout = layer.dropout_module
            assert dropout.p == getattr(own, side).layers[0].dropout_module.p
    assert stock.encoder.embed_tokens.weight is stock.decoder.embed_tokens.weight


@pytest.mark.parametrize("arch", ["transformer", TINY])
@pytest.mark.parametrize("work", WORK)
def test_a_step_trains_or_decodes_or_encodes(
    work: str, arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, models = Model(TINY), []
    model = model.baseline(arch) if arch in BASELINES else model

    def build_and_keep(*arguments: Any) -> Any:
        models.append(build(*arguments))
        return models[-1]

    monkeypatch.setattr("attn_nmt.benchmarking.work.build", build_and_keep)
    step = WORK[work](model, SMALL)
    (module,) = models
    initial = {name: p.detach().clone() for name, p in module.named_parameters()}
    lengths: list[int] = []
    decode = module.decoder.forward

    def count(previous: torch.Tensor, *rest: Any, **options: Any) -> Any:
        lengths.append(previous.size(1))
        return decode(previous, *rest, **options)

    # The search calls it by this name.
    module.decoder.forward = count
    step()
    changed = [name for name, p in module.named_parameters() if not p.equal(initial[name])]
    assert bool(changed) == (work == "training")
    if work == "decoding":
        # One step per token and one for the end of the sentence.
        assert lengths == list(range(1, MAX_LENGTH + 1))
    if work == "encoding":
        assert module.encoder.layers[0].fc1.weight.grad.abs().sum() > 0


def test_batches_have_the_requested_size_and_equal_padding() -> None:
    source, target = batch_of_tokens(200, 50)
    assert 200 <= target.ne(PAD).sum() < 200 + MAX_LENGTH
    assert torch.equal(source.eq(PAD), target.eq(PAD))
    assert not torch.equal(source, target)
    assert len(batch_of_sentences(7, 50)) == 7
