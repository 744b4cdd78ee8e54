"""Durations and distances in time: German plurals, and their dative after vor, in, seit, nach."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from random import Random
from typing import Literal

from babel import Locale
from babel.dates import format_timedelta
from babel.lists import format_list

from attn_nmt.data.cldr.frames import Maker, Pair, Slots, both, frame, pick
from attn_nmt.data.cldr.languages import LANGUAGES
from attn_nmt.data.cldr.words import event, person, quantity, thing, to_city, vehicle

Unit = Literal["year", "month", "week", "day", "hour", "minute"]
Parts = Sequence[tuple[int, Unit]]

# Seconds as Babel counts them, and the largest value of a unit that is drawn.
SECONDS: dict[Unit, int] = {
    "year": 31536000,
    "month": 2592000,
    "week": 604800,
    "day": 86400,
    "hour": 3600,
    "minute": 60,
}
MAX_VALUE: dict[Unit, int] = {
    "year": 40,
    "month": 11,
    "week": 12,
    "day": 20,
    "hour": 23,
    "minute": 59,
}
LONG: tuple[tuple[Unit, ...], ...] = (("year",), ("month",), ("week",), ("year", "month"))
SHORT: tuple[tuple[Unit, ...], ...] = (("day", "hour"), ("hour", "minute"), ("day",), ("hour",))
TRIPS: tuple[Pair, ...] = (
    ("the journey", "die Reise"),
    ("the search", "die Suche"),
    ("the drive", "die Fahrt"),
    ("the repair", "die Reparatur"),
    ("the treatment", "die Behandlung"),
    ("the climb", "der Aufstieg"),
)


@cache
def relative(value: int, unit: Unit) -> Pair:
    """Return CLDR's relative time, the past below 0: ("3 days ago", "vor 3 Tagen")."""
    delta = timedelta(seconds=value * SECONDS[unit])

    def render(locale: Locale) -> str:
        return format_timedelta(
            delta, granularity=unit, threshold=10**9, add_direction=True, locale=locale
        )

    return both(render)


def dative(value: int, unit: Unit) -> Pair:
    """Return a duration with its German dative, taken from CLDR's "vor": "3 Tagen"."""
    return quantity(value, unit)[0], relative(-value, unit)[1].removeprefix("vor ")


def joined(pieces: Sequence[Pair]) -> Pair:
    """Return the pieces as one list: ("3 hours and 1 minute", "3 Stunden und 1 Minute")."""
    english, german = (list(side) for side in zip(*pieces, strict=True))
    return format_list(english, locale="en"), format_list(german, locale="de")


def duration(shapes: Sequence[tuple[Unit, ...]]) -> Maker:
    """Return a maker of a duration in one of `shapes`, in the accusative and in the dative."""

    def make(rng: Random) -> Slots:
        parts: Parts = [(rng.randint(1, MAX_VALUE[unit]), unit) for unit in rng.choice(shapes)]
        return {
            "duration": joined([quantity(*part) for part in parts]),
            "dative": joined([dative(*part) for part in parts]),
        }

    return make


def moment(rng: Random) -> Slots:
    """Draw a moment in the past and one in the future: "vor 3 Tagen", "in 1 Jahr"."""
    unit: Unit = rng.choice(tuple(MAX_VALUE))
    value = rng.randint(1, MAX_VALUE[unit])
    return {"ago": relative(-value, unit), "ahead": relative(value, unit)}


trip, language = pick("trip", TRIPS), pick("language", LANGUAGES)
FRAMES = (
    frame("{duration}", "{duration}", duration(SHORT[:2])),
    frame("{trip} takes {duration}.", "{trip} dauert {duration}.", trip, duration(SHORT)),
    frame(
        "{person} has been learning {language} for {dative}.",
        "{person} lernt seit {dative} {language}.",
        person,
        language,
        duration(LONG),
    ),
    frame(
        "{person} has lived in {city} for {dative}.",
        "{person} wohnt seit {dative} in {city}.",
        person,
        to_city,
        duration(LONG),
    ),
    frame(
        "After {dative}, {person} came back from {city}.",
        "Nach {dative} kam {person} aus {city} zurück.",
        duration(LONG + SHORT),
        person,
        to_city,
    ),
    frame(
        "{vehicle} to {city} left {dative} ago.",
        "{vehicle} nach {city} ist vor {dative} abgefahren.",
        vehicle,
        to_city,
        duration(SHORT),
    ),
    frame("{event} begins {ahead}.", "{event} beginnt {ahead}.", event, moment),
    frame(
        "{person} bought {thing} {ago}.",
        "{person} hat {thing_accusative} {ago} gekauft.",
        person,
        thing,
        moment,
    ),
    frame(
        "{person} says that {event} began {ago}.",
        "{person} sagt, dass {event} {ago} begonnen hat.",
        person,
        event,
        moment,
    ),
)
