"""The words that several categories share: people, things, events, places and CLDR's cities."""

from collections.abc import Callable
from functools import cache
from random import Random

from babel import Locale
from babel.dates import get_day_names
from babel.units import format_unit

from attn_nmt.data.cldr.frames import Maker, Pair, Slots, both, pick

Amount = Callable[[Random], float]

PEOPLE: tuple[Pair, ...] = (
    ("he", "er"),
    ("she", "sie"),
    ("the teacher", "der Lehrer"),
    ("the woman", "die Frau"),
    ("the child", "das Kind"),
    ("the neighbor", "der Nachbar"),
    ("the old man", "der alte Mann"),
    ("my brother", "mein Bruder"),
    ("my sister", "meine Schwester"),
    ("our aunt", "unsere Tante"),
)
EVENTS: tuple[Pair, ...] = (
    ("the meeting", "die Sitzung"),
    ("the concert", "das Konzert"),
    ("the course", "der Kurs"),
    ("the exhibition", "die Ausstellung"),
    ("the conference", "die Konferenz"),
    ("the wedding", "die Hochzeit"),
    ("the match", "das Spiel"),
    ("the election", "die Wahl"),
    ("the exam", "die Prüfung"),
    ("the lecture", "der Vortrag"),
    ("the tournament", "das Turnier"),
    ("the trial", "der Prozess"),
)
PLACES: tuple[Pair, ...] = (
    ("the museum", "das Museum"),
    ("the library", "die Bibliothek"),
    ("the park", "der Park"),
    ("the theater", "das Theater"),
    ("the market", "der Markt"),
    ("the school", "die Schule"),
    ("the castle", "das Schloss"),
    ("the pharmacy", "die Apotheke"),
)
THINGS: tuple[Pair, ...] = (
    ("the table", "der Tisch"),
    ("the chair", "der Stuhl"),
    ("the carpet", "der Teppich"),
    ("the suitcase", "der Koffer"),
    ("the mirror", "der Spiegel"),
    ("the lamp", "die Lampe"),
    ("the box", "die Kiste"),
    ("the guitar", "die Gitarre"),
    ("the door", "die Tür"),
    ("the picture", "das Bild"),
    ("the shelf", "das Regal"),
    ("the bed", "das Bett"),
    ("the bicycle", "das Fahrrad"),
)
VEHICLES: tuple[Pair, ...] = (
    ("the train", "der Zug"),
    ("the night train", "der Nachtzug"),
    ("the bus", "der Bus"),
)
# CLDR calls each time zone by its best-known city; these German names take no article.
ZONES = (
    "Amsterdam Athens Belgrade Berlin Bratislava Brussels Bucharest Budapest Copenhagen Dublin "
    "Helsinki Istanbul Lisbon Ljubljana London Madrid Moscow Oslo Paris Prague Riga Rome Sarajevo "
    "Sofia Stockholm Tallinn Vienna Vilnius Warsaw Zagreb Zurich"
)
ACCUSATIVE = {"der": "den", "die": "die", "das": "das"}
PRONOUN = {"der": "ihn", "die": "sie", "das": "es"}


def city(zone: str) -> Pair:
    """Return the name of a European time zone's city: ("Vienna", "Wien")."""

    def name(locale: Locale) -> str:
        return str(locale.time_zones.get(f"Europe/{zone}", {}).get("city", zone))

    return both(name)


def weekday_name(day: int) -> Pair:
    """Return the name of a day of the week, 0 for ("Monday", "Montag")."""
    return both(lambda locale: get_day_names("wide", locale=locale)[day])


CITIES: tuple[Pair, ...] = tuple(city(zone) for zone in ZONES.split())
WEEKDAYS: tuple[Pair, ...] = tuple(weekday_name(day) for day in range(7))

person = pick("person", PEOPLE)
event = pick("event", EVENTS)
place = pick("place", PLACES)
vehicle = pick("vehicle", VEHICLES)
weekday = pick("weekday", WEEKDAYS)
to_city = pick("city", CITIES)


def thing(rng: Random) -> Slots:
    """Draw a thing in the nominative, the accusative and as an accusative pronoun."""
    english, german = rng.choice(THINGS)
    article, noun = german.split()
    return {
        "thing": (english, german),
        "thing_accusative": (english, f"{ACCUSATIVE[article]} {noun}"),
        "thing_pronoun": ("it", PRONOUN[article]),
    }


@cache
def quantity(value: float, unit: str) -> Pair:
    """Return CLDR's long form of `value` `unit`, singular or plural: ("1 hour", "1 Stunde")."""
    return both(lambda locale: format_unit(value, unit, "long", locale=locale))


def size(rng: Random) -> float:
    """Return a small amount: often a whole number, sometimes a decimal, now and then 1."""
    kind = rng.randrange(10)
    if kind == 0:
        return 1
    return rng.randrange(2, 200) if kind <= 6 else rng.randrange(11, 500) / 10


def large_size(rng: Random) -> float:
    """Return an amount that is often in thousands, which the two languages group differently."""
    return rng.randrange(1000, 10000, 10) if rng.randrange(3) == 0 else size(rng)


def measured(slot: str, units: tuple[str, ...], amount: Amount = size) -> Maker:
    """Return a maker that fills `slot` with some amount of one of `units`."""
    return lambda rng: {slot: quantity(amount(rng), rng.choice(units))}
