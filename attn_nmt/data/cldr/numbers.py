"""Numbers in words, by `num2words`: German writes one word, the units before the tens."""

from functools import cache
from random import Random

from num2words import num2words

from attn_nmt.data.cldr.frames import Pair, Slots, frame, pick
from attn_nmt.data.cldr.words import person

# The highest number of each range, with the probability of that range.
RANGES = {99: 0.2, 999: 0.5, 9_999: 0.28, 999_999: 0.02}
COUNTED: tuple[Pair, ...] = (
    ("pages", "Seiten"),
    ("books", "Bücher"),
    ("stamps", "Briefmarken"),
    ("trees", "Bäume"),
    ("letters", "Briefe"),
    ("pictures", "Bilder"),
    ("chairs", "Stühle"),
    ("words", "Wörter"),
)
ORDERED: tuple[Pair, ...] = (
    ("attempt", "der {} Versuch"),
    ("letter", "der {} Brief"),
    ("question", "die {} Frage"),
    ("page", "die {} Seite"),
    ("chapter", "das {} Kapitel"),
    ("picture", "das {} Bild"),
)


@cache
def words(number: int, kind: str = "cardinal") -> Pair:
    """Return ("twenty-three", "dreiundzwanzig"); `kind` may also be `ordinal` or `year`."""
    return num2words(number, lang="en", to=kind), num2words(number, lang="de", to=kind)


def draw_two(rng: Random) -> list[int]:
    """Return two different numbers from 2 on of about the same length, mostly below 10,000."""
    (highest,) = rng.choices(tuple(RANGES), tuple(RANGES.values()))
    return rng.sample(range(2, highest + 1), 2)


def numbers(rng: Random) -> Slots:
    """Draw two numbers."""
    one, two = draw_two(rng)
    return {"number": words(one), "other": words(two)}


def count(rng: Random) -> Slots:
    """Draw a number of things; never one that ends in "eins", which German would decline."""
    number, _ = draw_two(rng)
    return {"count": words(number + 1 if number % 100 == 1 else number)}


def addition(rng: Random) -> Slots:
    """Draw two numbers below 500 and their sum."""
    one, two = rng.randint(2, 499), rng.randint(2, 499)
    return {"one": words(one), "two": words(two), "sum": words(one + two)}


def year(rng: Random) -> Slots:
    """Draw a year, read as a year: ("nineteen eighty-seven", "neunzehnhundertsieben...")."""
    return {"year": words(rng.randint(1100, 2049), "year")}


def ordinal(rng: Random) -> Slots:
    """Draw an ordinal number, in the German nominative, with a noun and in the accusative."""
    number = words(rng.randint(2, 999), "ordinal")
    noun = rng.choice(ORDERED)
    return {
        "ordered": (f"the {number[0]} {noun[0]}", noun[1].format(number[1])),
        "accusative": (number[0], f"{number[1]}n"),
    }


counted = pick("things", COUNTED)
FRAMES = (
    frame("The number is {number}.", "Die Zahl lautet {number}.", numbers),
    frame("{one} plus {two} equals {sum}.", "{one} plus {two} ist gleich {sum}.", addition),
    frame(
        "The answer is {number} and not {other}.",
        "Die Antwort ist nicht {other}, sondern {number}.",
        numbers,
    ),
    frame(
        "{person} found the answer on page {number}.",
        "{person} hat die Antwort auf Seite {number} gefunden.",
        person,
        numbers,
    ),
    frame(
        "{person} has counted {count} {things}.",
        "{person} hat {count} {things} gezählt.",
        person,
        count,
        counted,
    ),
    frame(
        "The town was founded in {year}.",
        "Die Stadt wurde im Jahr {year} gegründet.",
        year,
    ),
    frame("{ordered} was difficult.", "{ordered} war schwierig.", ordinal),
    frame(
        "{person} finished in {accusative} place.",
        "{person} hat den {accusative} Platz belegt.",
        person,
        ordinal,
    ),
)
