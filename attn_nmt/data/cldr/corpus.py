"""The mixture of the categories, split into train, valid and test."""

from collections.abc import Sequence
from itertools import islice
from random import Random

from attn_nmt.data.cldr import (
    currencies,
    dates,
    durations,
    languages,
    measures,
    numbers,
    rates,
    territories,
    times,
)
from attn_nmt.data.cldr.frames import Frame, Pair, stream

# Category: its frames, and its share of the corpus in percent.
CATEGORIES: dict[str, tuple[Sequence[Frame], int]] = {
    "dates": (dates.FRAMES, 18),
    "times": (times.FRAMES, 10),
    "durations": (durations.FRAMES, 14),
    "measures": (measures.FRAMES, 12),
    "rates": (rates.FRAMES, 8),
    "currencies": (currencies.FRAMES, 12),
    "territories": (territories.FRAMES, 8),
    "languages": (languages.FRAMES, 6),
    "numbers": (numbers.FRAMES, 12),
}
MAX_PAIRS = 60_000  # every category has enough for its share of them; a test draws them all
MIN_WORDS, MAX_WORDS = 3, 20
MAX_DRAWS = 20  # per pair kept


def counts(total: int) -> dict[str, int]:
    """Return how many of `total` pairs each category has; dates also have the remainder."""
    shares = {name: total * share // 100 for name, (_, share) in CATEGORIES.items()}
    shares["dates"] += total - sum(shares.values())
    return shares


def fits(text: str) -> bool:
    """Return whether `text` has an allowed number of words."""
    return MIN_WORDS <= len(text.split()) <= MAX_WORDS


def draw(seed: int, total: int) -> dict[str, list[Pair]]:
    """Return `total` pairs by category; no English or German sentence occurs twice."""
    english_seen: set[str] = set()
    german_seen: set[str] = set()
    drawn: dict[str, list[Pair]] = {}
    for name, count in counts(total).items():
        kept = drawn[name] = []
        candidates = stream(CATEGORIES[name][0], Random(f"{seed} {name}"))
        for english, german in islice(candidates, MAX_DRAWS * count):
            if len(kept) == count:
                break
            new = english not in english_seen and german not in german_seen
            if new and fits(english) and fits(german):
                kept.append((english, german))
                english_seen.add(english)
                german_seen.add(german)
        if len(kept) < count:
            raise RuntimeError(f"`{name}` must give {count} pairs, but gives {len(kept)} instead.")
    return drawn


def generate(*, seed: int, train: int, valid: int, test: int) -> dict[str, list[Pair]]:
    """Return the (English, German) pairs of the three splits, made from the CLDR and num2words.

    The same seed and library versions give the same pairs in the same order. Over all splits, the
    relation between English and German sentences is one to one.
    """
    sizes = {"train": train, "valid": valid, "test": test}
    for name, size in sizes.items():
        if size < 0:
            raise ValueError(f"`{name}` must be at least 0, but is {size} instead.")
    if sum(sizes.values()) > MAX_PAIRS:
        raise ValueError(
            f"`train`, `valid` and `test` must be at most {MAX_PAIRS} together with these sources, "
            f"but are {sum(sizes.values())} instead."
        )
    drawn = draw(seed, sum(sizes.values()))
    mixed = [pair for pairs in drawn.values() for pair in pairs]
    Random(seed).shuffle(mixed)
    remaining = iter(mixed)
    return {name: list(islice(remaining, size)) for name, size in sizes.items()}
