"""What is timed: a step of training, the translation of a batch, a long sentence in the encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from fairseq.sequence_generator import SequenceGenerator
from torch import nn

from attn_nmt.benchmarking import batches
from attn_nmt.benchmarking.models import Model, build, device, dictionary

Step = Callable[[], object]


@dataclass(frozen=True)
class Sizes:
    """How much work a step is."""

    tokens: int = 2000
    """Target tokens of a step of training."""
    sentences: int = 64
    """Sentences that are translated together."""
    beam: int = 5
    length: int = 4096
    """Tokens of the long sentence."""
    vocabulary: int = 8000


def training(model: Model, sizes: Sizes) -> Step:
    """Return a whole step: forward, loss, backward, Adam."""
    torch.manual_seed(1)
    built = build(model, dictionary(sizes.vocabulary)).train()
    optimizer = torch.optim.Adam(built.parameters(), lr=1e-4)
    source, target = batches.with_tokens(sizes.tokens, sizes.vocabulary)
    lengths = source.ne(batches.PAD).sum(1)

    def step() -> None:
        optimizer.zero_grad()
        logits, _ = built(source, lengths, target)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1).float(),
            target.flatten(),
            ignore_index=batches.PAD,
            label_smoothing=0.1,
        )
        torch.autograd.backward(loss)
        optimizer.step()

    return step


def decoding(model: Model, sizes: Sizes) -> Step:
    """Return fairseq's beam search over a batch."""
    return searching(model, sizes)[1]


def searching(model: Model, sizes: Sizes) -> tuple[Any, Step]:
    """Return a model and fairseq's beam search with it over a batch.

    Every hypothesis has as many tokens as the longest source: the models are not trained, and one
    that ended sooner would look faster.
    """
    torch.manual_seed(1)
    words = dictionary(sizes.vocabulary)
    built = build(model, words).eval()
    length = batches.LONGEST - 1
    search = SequenceGenerator(
        [built], words, beam_size=sizes.beam, max_len_a=0, max_len_b=length, min_len=length
    )
    source = batches.with_sentences(sizes.sentences, sizes.vocabulary)
    inputs = {"src_tokens": source, "src_lengths": source.ne(batches.PAD).sum(1)}

    def step() -> None:
        with torch.no_grad():
            search.generate([built], {"net_input": inputs})

    return built, step


def encoding(model: Model, sizes: Sizes) -> Step:
    """Return the encoder forward and backward over one long sentence, without dropout."""
    torch.manual_seed(1)
    encoder = build(model, dictionary(sizes.vocabulary)).eval().encoder
    source = torch.randint(4, sizes.vocabulary, (1, sizes.length), device=device())
    lengths = torch.tensor([sizes.length], device=device())

    def step() -> None:
        encoder.zero_grad()
        torch.autograd.backward(encoder(source, lengths)["encoder_out"][0].sum())

    return step


WORK: dict[str, Callable[[Model, Sizes], Step]] = {
    "training": training,
    "decoding": decoding,
    "encoding": encoding,
}
