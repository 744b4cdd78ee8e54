"""Held-out pairs: a uniform choice of different pairs in memory of its own size."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter

from attn_nmt.data.held_out import HeldOut
from attn_nmt.data.lines import Pair

PAIRS: list[Pair] = [(f"source {number}", f"target {number}") for number in range(20)]


def held_out(pairs: list[Pair], *, seed: int = 1) -> dict[Pair, str | None]:
    """Where the first copy of each pair belongs."""
    chosen = HeldOut(iter(pairs), {"valid": 2, "test": 3}, seed=seed)
    return {pair: chosen.split_of(pair) for pair in dict.fromkeys(pairs)}


def test_as_many_different_pairs_as_asked_for_are_held_out() -> None:
    assert Counter(held_out(PAIRS).values()) == {"train": 15, "valid": 2, "test": 3}


def test_the_choice_does_not_depend_on_order_and_copies() -> None:
    pairs = PAIRS * 3
    random.Random(1).shuffle(pairs)
    assert held_out(pairs) == held_out(PAIRS)


def test_every_pair_is_held_out_equally_often() -> None:
    """Frequent copies are no more likely to be chosen."""
    pairs = PAIRS + PAIRS[:1] * 100
    counts = Counter(
        pair
        for seed in range(1000)
        for pair, name in held_out(pairs, seed=seed).items()
        if name != "train"
    )
    # 250 of 1000 expected, standard deviation 14.
    assert all(190 < counts[pair] < 310 for pair in PAIRS)


def test_copies_are_left_out_also_with_other_blanks() -> None:
    chosen = HeldOut(PAIRS, {"test": 19}, seed=1)
    first = [chosen.split_of(pair) for pair in PAIRS]
    copies = [chosen.split_of((source.replace("e ", "e  "), target)) for source, target in PAIRS]
    assert first.count("test") == copies.count(None) == 19
    assert first.count("train") == copies.count("train") == 1


def test_memory_does_not_grow_with_the_text() -> None:
    tracemalloc.start()
    HeldOut(((str(n), str(n)) for n in range(20_000)), {"test": 10}, seed=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
