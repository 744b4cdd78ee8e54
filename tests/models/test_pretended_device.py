"""Training and translation on a device that is not the CPU: nothing mixes, little waits.

fairseq's own Transformer makes the CPU wait for the device, too: a training step of ours does so
as often, a decoding step once more, to learn which sentences remain.
"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from typing import Any

import pytest
import torch
from fairseq.data.data_utils import collate_tokens
from fairseq.sequence_generator import SequenceGenerator
from support.pretended_device import DEVICE, Pretended, pretended_device, to_device
from support.tiny_models import sentences

from attn_nmt.benchmarking.models import Model, build_on_cpu, dictionary

PAD, EOS, STEPS = 1, 2, 6
SOURCE = collate_tokens(sentences(3, 6), PAD, EOS, left_pad=True)
TARGET = collate_tokens(
    sentences(4, 2, seed=1), PAD, EOS, left_pad=False, move_eos_to_beginning=True
)
MODELS: dict[str, dict[str, Any]] = {
    "1111": {},
    "0110, cross 0111": {"self_attn_terms": "0110", "cross_attn_terms": "0111"},
    "0011, cross 0001": {"self_attn_terms": "0011", "cross_attn_terms": "0001"},
    "0010, cross 0010": {"self_attn_terms": "0010", "cross_attn_terms": "0010"},
    "0001": {"self_attn_terms": "0001"},
    "none": {"self_attn_terms": "none"},
    "span": {"self_attn_span": 3},
    "deformable": {"self_attn_terms": "0010", "deformable_kernel_size": 3},
    "dynamic": {"self_attn_type": "dynamic", "conv_kernel_sizes": "3"},
    "lightweight": {"self_attn_type": "lightweight", "conv_kernel_sizes": "3"},
    "broadcast": {"context_broadcast": "scaled"},
}


def build(flags: dict[str, Any], *, stock: bool = False) -> Any:
    torch.manual_seed(1)
    model = Model("attn_transformer_tiny", {"encoder_layers": 2, "decoder_layers": 2, **flags})
    words = dictionary(24)
    built = build_on_cpu(model.baseline("transformer") if stock else model, words)
    for parameter in built.parameters():  # some begin at zero, where a test would not see them
        parameter.data += 0.1 * torch.randn(parameter.shape)
    built.eval().prepare_for_inference_(Namespace(generation=Namespace(print_alignment=None)))
    return built


def train(model: Any, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the logits of a training step without dropout."""
    model.zero_grad()
    logits, _ = model(source, source.ne(PAD).sum(1), target)
    torch.autograd.backward(logits.float().square().mean())
    return logits


def search(model: Any, source: torch.Tensor) -> list[torch.Tensor]:
    words = model.decoder.dictionary
    generator = SequenceGenerator([model], words, beam_size=3, max_len_b=STEPS, min_len=STEPS)
    inputs = {"src_tokens": source, "src_lengths": source.ne(PAD).sum(1)}
    with torch.no_grad():
        found = generator.generate([model], {"net_input": inputs})
    return [hypothesis["tokens"] for hypotheses in found for hypothesis in hypotheses]


def waits(model: Any) -> tuple[Counter[str], Counter[str]]:
    """Return those of a training step and those of a search."""
    to_device(model)
    with pretended_device() as training:
        train(model, Pretended(SOURCE), Pretended(TARGET))
    with pretended_device() as searching:
        search(model, Pretended(SOURCE))
    return training, searching


@pytest.mark.parametrize("name", MODELS)
def test_the_device_gives_the_results_of_the_cpu(name: str) -> None:
    here, there = build(MODELS[name]), to_device(build(MODELS[name]))
    logits, tokens = train(here, SOURCE, TARGET), search(here, SOURCE)
    with pretended_device():
        found = train(there, Pretended(SOURCE), Pretended(TARGET))
        assert found.device == DEVICE
        assert isinstance(found, Pretended)
        torch.testing.assert_close(found.inner, logits)
        pairs = zip(there.parameters(), here.parameters(), strict=True)
        for parameter, expected in pairs:
            torch.testing.assert_close(parameter.grad.inner, expected.grad)
        hypotheses = search(there, Pretended(SOURCE))
    assert all(map(torch.equal, [found.inner for found in hypotheses], tokens))


@pytest.mark.parametrize("name", MODELS)
def test_the_cpu_waits_no_more_than_for_stock_fairseq(name: str) -> None:
    training, searching = waits(build(MODELS[name]))
    stock_training, stock_searching = waits(build({}, stock=True))
    assert training <= stock_training
    reordering = Counter(tolist=1 + STEPS)
    assert searching <= stock_searching + reordering


def test_a_mixed_operation_is_seen() -> None:
    with pretended_device(), pytest.raises(AssertionError, match="add mixes devices"):
        Pretended(torch.ones(2)) + torch.ones(2)


def test_a_wait_is_seen() -> None:
    with pretended_device() as counts:
        bool(Pretended(torch.ones(2)).any())
        torch.ones(2, device=DEVICE).nonzero()
        torch.ones(2).nonzero()
    assert counts == {"_local_scalar_dense": 1, "nonzero": 1}
