"""Sentence pairs taken out of the training text at random, for validation and test."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Mapping

from attn_nmt.command_line import UsageError
from attn_nmt.data.lines import Pair


class HeldOut:
    """Different pairs at random, of which no copy stays in the training text.

    Every pair has a rank, a hash of its text and the seed, and the lowest ranks are held out
    (bottom-k sampling): copies have the same rank, the choice does not depend on the order of the
    pairs, and memory depends on the number of pairs held out only.

    Args:
        pairs: the training text.
        sizes: pairs to hold out for each split.
        seed: of the choice.

    Raises:
        UsageError: unless different pairs are left for training.
    """

    def __init__(self, pairs: Iterable[Pair], sizes: Mapping[str, int], *, seed: int) -> None:
        self._seed = seed
        number = sum(sizes.values())
        # One more shows that a pair is left for training.
        lowest = _lowest((self._rank(pair) for pair in pairs), number + 1 if number else 0)
        if number and len(lowest) <= number:
            flags = " and ".join(f"--{split} held-out {size}" for split, size in sizes.items())
            raise UsageError(
                f"{flags} must leave pairs for training, but --train has {len(lowest)} different "
                "pairs."
            )
        splits = [split for split, size in sizes.items() for _ in range(size)]
        self._splits = dict(zip(lowest, splits, strict=False))
        self._taken: set[int] = set()

    def split_of(self, pair: Pair) -> str | None:
        """Return where the next pair of the training text belongs; None for a copy to leave out."""
        if not self._splits:
            return "train"
        rank = self._rank(pair)
        if rank not in self._splits:
            return "train"
        if rank in self._taken:
            return None
        self._taken.add(rank)
        return self._splits[rank]

    def _rank(self, pair: Pair) -> int:
        # Pairs that differ only in blanks may have the same tokens.
        text = "\n".join([str(self._seed), *(side.replace(" ", "") for side in pair)])
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest())


def _lowest(ranks: Iterable[int], number: int) -> list[int]:
    """Return the lowest different ranks, ascending."""
    if not number:
        return []
    heap: list[int] = []  # negative, so that the highest of them is on top
    kept: set[int] = set()
    for rank in ranks:
        if rank in kept or (len(heap) == number and rank > -heap[0]):
            continue
        kept.add(rank)
        if len(heap) < number:
            heapq.heappush(heap, -rank)
        else:
            kept.remove(-heapq.heapreplace(heap, -rank))
    return sorted(kept)
