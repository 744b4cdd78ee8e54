"""Random sentences with lengths as in captions and short news."""

from __future__ import annotations

from itertools import count

import torch
from torch import Tensor

from attn_nmt.benchmarking.models import device

SHORTEST, LONGEST = 12, 25
PAD, EOS = 1, 2
_FIRST_WORD = 4


def with_tokens(tokens: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Return source and target, (B, L), of about that many target tokens, padded on the right."""
    lengths: list[int] = []
    for length in _lengths():
        if sum(lengths) >= tokens:
            break
        lengths.append(length)
    return tuple(_side(lengths, vocabulary, seed) for seed in (1, 2))  # type: ignore[return-value]


def with_sentences(sentences: int, vocabulary: int) -> Tensor:
    """Return that many source sentences, (B, L)."""
    return _side(
        [length for length, _ in zip(_lengths(), range(sentences), strict=False)],
        vocabulary,
        seed=1,
    )


def _lengths() -> map[int]:
    generator = torch.Generator().manual_seed(1)

    def draw(_: int) -> int:
        return int(torch.randint(SHORTEST, LONGEST + 1, (), generator=generator))

    return map(draw, count())


def _side(lengths: list[int], vocabulary: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(_FIRST_WORD, vocabulary, (len(lengths), LONGEST), generator=generator)
    for row, length in zip(rows, lengths, strict=True):
        row[length - 1], row[length:] = EOS, PAD
    return rows.to(device())
