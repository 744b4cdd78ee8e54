"""What is timed: a training step, the translation of a batch, a long sentence in the encoder.

Batches are random sentences with the lengths of captions and short news.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from fairseq.sequence_generator import SequenceGenerator
from torch import Tensor, nn

from attn_nmt.benchmarking.measures import Step, device, seconds, synchronize
from attn_nmt.benchmarking.models import Model, build, dictionary

MIN_LENGTH, MAX_LENGTH = 12, 25
PAD, EOS = 1, 2
_FIRST_WORD = 4


@dataclass(frozen=True)
class Sizes:
    """How much work a step is."""

    tokens: int = 2000
    """Target tokens of a training step."""
    sentences: int = 64
    """Sentences that are translated together."""
    beam: int = 5
    length: int = 4096
    """Tokens of the long sentence."""
    vocabulary: int = 8000


def training(model: Model, sizes: Sizes) -> Step:
    """Return a whole training step: forward, loss, backward, Adam."""
    torch.manual_seed(1)
    built = build(model, dictionary(sizes.vocabulary)).train()
    optimizer = torch.optim.Adam(built.parameters(), lr=1e-4)
    source, target = batch_of_tokens(sizes.tokens, sizes.vocabulary)
    lengths = source.ne(PAD).sum(1)

    def step() -> None:
        optimizer.zero_grad()
        logits, _ = built(source, lengths, target)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1).float(),
            target.flatten(),
            ignore_index=PAD,
            label_smoothing=0.1,
        )
        torch.autograd.backward(loss)
        optimizer.step()

    return step


def decoding(model: Model, sizes: Sizes) -> Step:
    """Return fairseq's beam search over a batch."""
    return _search(model, sizes)[1]


def encoding(model: Model, sizes: Sizes) -> Step:
    """Return the encoder forward and backward over one long sentence, without dropout."""
    torch.manual_seed(1)
    encoder = build(model, dictionary(sizes.vocabulary)).eval().encoder
    source = torch.randint(_FIRST_WORD, sizes.vocabulary, (1, sizes.length), device=device())
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


def search_shares(model: Model, sizes: Sizes) -> dict[str, float]:
    """Return each part's share of the time of a beam search.

    "search" is the rest: fairseq's own code, which no model can speed up.
    """
    built, step = _search(model, sizes)
    step()
    spent = dict.fromkeys(("encoder", "decoder layers", "output layer", "reordering"), 0.0)
    for owner, method, part in (
        (built.encoder, "forward", "encoder"),
        (built.encoder, "reorder_encoder_out", "reordering"),
        (built.decoder, "reorder_incremental_state_scripting", "reordering"),
        (built.decoder, "extract_features", "decoder layers"),
        (built.decoder, "output_layer", "output layer"),
    ):
        setattr(owner, method, _timed(getattr(owner, method), spent, part))
    total = seconds(step)
    shares = {part: value / total for part, value in spent.items()}
    return {**shares, "search": 1.0 - sum(shares.values())}


def _timed(method: Callable[..., Any], spent: dict[str, float], part: str) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        synchronize()
        start = time.perf_counter()
        result = method(*arguments, **options)
        synchronize()
        spent[part] += time.perf_counter() - start
        return result

    return timed


def _search(model: Model, sizes: Sizes) -> tuple[Any, Step]:
    """Return a model and fairseq's beam search with it over a batch.

    Every hypothesis has as many tokens as the longest source: the models are not trained, and one
    that stopped earlier would look faster.
    """
    torch.manual_seed(1)
    words = dictionary(sizes.vocabulary)
    built = build(model, words).eval()
    # As fairseq-generate does: no alignment, and 8-bit products if the flags ask for them.
    built.prepare_for_inference_(Namespace(generation=Namespace(print_alignment=None)))
    length = MAX_LENGTH - 1
    search = SequenceGenerator(
        [built], words, beam_size=sizes.beam, max_len_a=0, max_len_b=length, min_len=length
    )
    source = batch_of_sentences(sizes.sentences, sizes.vocabulary)
    inputs = {"src_tokens": source, "src_lengths": source.ne(PAD).sum(1)}

    def step() -> None:
        with torch.no_grad():
            search.generate([built], {"net_input": inputs})

    return built, step


def batch_of_tokens(tokens: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Return source and target, (B, L), with about that many target tokens, right-padded."""
    lengths: list[int] = []
    for length in _random_lengths():
        if sum(lengths) >= tokens:
            break
        lengths.append(length)
    return _random_sentences(lengths, vocabulary, 1), _random_sentences(lengths, vocabulary, 2)


def batch_of_sentences(sentences: int, vocabulary: int) -> Tensor:
    """Return that many source sentences, (B, L), right-padded."""
    lengths = [length for length, _ in zip(_random_lengths(), range(sentences), strict=False)]
    return _random_sentences(lengths, vocabulary, seed=1)


def _random_lengths() -> map[int]:
    generator = torch.Generator().manual_seed(1)

    def draw(_: int) -> int:
        return int(torch.randint(MIN_LENGTH, MAX_LENGTH + 1, (), generator=generator))

    return map(draw, count())


def _random_sentences(lengths: list[int], vocabulary: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(_FIRST_WORD, vocabulary, (len(lengths), MAX_LENGTH), generator=generator)
    for row, length in zip(rows, lengths, strict=True):
        row[length - 1], row[length:] = EOS, PAD
    return rows.to(device())
