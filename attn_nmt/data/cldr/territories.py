"""Lists of the best-known countries, and journeys between those whose German name is bare."""

from collections.abc import Sequence
from random import Random
from typing import Literal

from babel.lists import format_list

from attn_nmt.data.cldr.frames import Maker, Pair, Slots, both, frame, pick_two
from attn_nmt.data.cldr.words import person, weekday

Style = Literal["standard", "or"]

# Neuter in German and without article: "in Spanien", "nach Spanien".
BARE = (
    "AF AL DZ AO AR AM AU AT AZ BD BY BE BO BA BW BR BG KH CM CA CL CN CO CR HR CZ DK EC EG EE ET "
    "FI FR GE DE GH GR GT HT HN HU IN ID IE IL IT JP JO KZ KE KW LV LY LT LU MY ML MX MA MZ NA NP "
    "NZ NI NG KP MK NO PK PA PY PE PL PT QA RO RU RW SA RS SG SI SO ZA KR ES SE SY TW TZ TH TN UG "
    "UY UZ VE VN ZM ZW"
)
# With an article or with "auf" in German: only in lists, where names have neither.
OTHER = "CH TR NL US SK UA IR IQ YE LB SD MN PH GB CU CY MT IS JM MG LK"


def territory(code: str) -> Pair:
    """Return CLDR's name of a territory: ("Spain", "Spanien")."""
    return both(lambda locale: locale.territories[code].replace("&", "and"))


BARE_NAMES: tuple[Pair, ...] = tuple(territory(code) for code in BARE.split())
ALL_NAMES: tuple[Pair, ...] = BARE_NAMES + tuple(territory(code) for code in OTHER.split())


def name_list(names: Sequence[Pair], style: Style = "standard") -> Pair:
    """Return CLDR's list of names: ("A, B, and C", "A, B und C"); `or` is its other style."""
    english, german = zip(*names, strict=True)
    return (
        format_list(english, style, locale="en"),
        format_list(german, style, locale="de"),
    )


def some(
    slot: str, names: Sequence[Pair], counts: Sequence[int], style: Style = "standard"
) -> Maker:
    """Return a maker that fills `slot` with a list of as many `names` as one of `counts`."""

    def make(rng: Random) -> Slots:
        return {slot: name_list(rng.sample(names, rng.choice(counts)), style)}

    return make


countries = some("countries", ALL_NAMES, (3, 4, 5))
choice = some("countries", ALL_NAMES, (3, 4), "or")
journey = pick_two("origin", "goal", BARE_NAMES)
FRAMES = (
    frame("{countries}", "{countries}", countries),
    frame("{countries}", "{countries}", choice),
    frame(
        "The following countries have signed: {countries}.",
        "Folgende Länder haben unterschrieben: {countries}.",
        countries,
    ),
    frame(
        "We have not yet visited these countries: {countries}.",
        "Diese Länder haben wir noch nicht besucht: {countries}.",
        countries,
    ),
    frame(
        "{person} is traveling from {origin} to {goal}.",
        "{person} reist von {origin} nach {goal}.",
        person,
        journey,
    ),
    frame(
        "On {weekday}, {person} came back from {goal}.",
        "Am {weekday} kam {person} aus {goal} zurück.",
        weekday,
        person,
        journey,
    ),
    frame(
        "{person} wants to live in {origin} or in {goal}.",
        "{person} will in {origin} oder in {goal} leben.",
        person,
        journey,
    ),
)
