"""Sentence frames: a pair of templates and the makers that draw what fills their slots."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from random import Random

from babel import Locale

Pair = tuple[str, str]
Slots = dict[str, Pair]
Maker = Callable[[Random], Slots]
Frame = Callable[[Random], Pair]

ENGLISH = Locale("en")
GERMAN = Locale("de")


def both(render: Callable[[Locale], str]) -> Pair:
    """Return what `render` returns for the English and for the German CLDR locale."""
    return render(ENGLISH), render(GERMAN)


def clean(text: str) -> str:
    """Return `text` in NFC with single plain spaces, whatever spaces the CLDR put there."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def sentence(text: str) -> str:
    """Return clean `text`, capitalised if it ends like a sentence."""
    text = clean(text)
    return text[0].upper() + text[1:] if text.endswith((".", "?")) else text


def frame(english: str, german: str, *makers: Maker) -> Frame:
    """Return a function that draws the slots and fills both templates with them."""

    def draw(rng: Random) -> Pair:
        slots: Slots = {}
        for make in makers:
            slots |= make(rng)
        return (
            sentence(english.format(**{name: pair[0] for name, pair in slots.items()})),
            sentence(german.format(**{name: pair[1] for name, pair in slots.items()})),
        )

    return draw


def stream(frames: Sequence[Frame], rng: Random) -> Iterator[Pair]:
    """Yield pairs without end, each from a uniformly drawn frame; pairs may repeat."""
    while True:
        yield rng.choice(frames)(rng)


def pick(slot: str, options: Sequence[Pair]) -> Maker:
    """Return a maker that fills `slot` with one of `options`."""
    return lambda rng: {slot: rng.choice(options)}


def pick_two(first: str, second: str, options: Sequence[Pair]) -> Maker:
    """Return a maker that fills two slots with two different `options`."""
    return lambda rng: dict(zip((first, second), rng.sample(options, 2), strict=True))
