"""Names of languages in lists and sentences: in German also nouns that are declined."""

from random import Random

from attn_nmt.data.cldr.frames import Pair, Slots, both, frame, pick_two
from attn_nmt.data.cldr.territories import some
from attn_nmt.data.cldr.words import person

CODES = (
    "af ar az be bg bn br bs ca cs da de el en es et eu fa fi fr ga gl he hi hr hu hy id is it ja "
    "ka kk ko ku la lt lv mk mn mt ne nl no pl pt ro ru sk sl so sq sr sv sw ta th tr uk ur uz vi "
    "yi zh"
)


def language(code: str) -> Pair:
    """Return CLDR's name of a language: ("Polish", "Polnisch")."""
    return both(lambda locale: locale.languages[code])


LANGUAGES: tuple[Pair, ...] = tuple(language(code) for code in CODES.split())
# Only these have nouns with regular endings: "das Polnische", "aus dem Polnischen".
DECLINED: tuple[Pair, ...] = tuple(pair for pair in LANGUAGES if pair[1].endswith("sch"))


def translation(rng: Random) -> Slots:
    """Draw two languages: the German source in the dative, the goal in the accusative."""
    source, goal = rng.sample(DECLINED, 2)
    return {"source": (source[0], f"{source[1]}en"), "goal": (goal[0], f"{goal[1]}e")}


spoken = some("languages", LANGUAGES, (2, 3, 4))
choice = some("languages", LANGUAGES, (2, 3), "or")
two = pick_two("one", "two", LANGUAGES)
FRAMES = (
    frame("{person} speaks {languages}.", "{person} spricht {languages}.", person, spoken),
    frame("Do you speak {languages}?", "Sprechen Sie {languages}?", choice),
    frame(
        "{person} would like to learn {languages}.",
        "{person} möchte {languages} lernen.",
        person,
        spoken,
    ),
    frame(
        "Although {person} speaks {one}, we are learning {two}.",
        "Obwohl {person} {one} spricht, lernen wir {two}.",
        person,
        two,
    ),
    frame(
        "The book was translated from {source} into {goal}.",
        "Das Buch wurde aus dem {source} ins {goal} übersetzt.",
        translation,
    ),
    frame(
        "{person} is translating the letter from {source} into {goal}.",
        "{person} übersetzt den Brief aus dem {source} ins {goal}.",
        person,
        translation,
    ),
)
