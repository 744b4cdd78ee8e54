"""Times of day: twelve hours or twenty-four, and German verbs that split around them."""

from datetime import time
from functools import cache
from random import Random

from babel.dates import format_time

from attn_nmt.data.cldr.frames import Pair, Slots, both, frame, pick_two
from attn_nmt.data.cldr.words import CITIES, place, quantity, to_city, vehicle, weekday

MINUTES_PER_DAY = 24 * 60
two_cities = pick_two("origin", "city", CITIES)


@cache
def clock(minute: int) -> Pair:
    """Return the `minute` of the day as the CLDR's short time: ("3:07 PM", "15:07")."""
    moment = time(*divmod(minute, 60))
    return both(lambda locale: format_time(moment, "short", locale=locale))


def at(rng: Random) -> Slots:
    """Draw a time of day."""
    return {"time": clock(rng.randrange(MINUTES_PER_DAY))}


def hours(rng: Random) -> Slots:
    """Draw opening hours, in steps of five minutes: one before and one after noon."""
    opens, closes = rng.randrange(6 * 60, 12 * 60, 5), rng.randrange(12 * 60, 22 * 60, 5)
    return {"opens": clock(opens), "closes": clock(closes)}


def delay(rng: Random) -> Slots:
    """Draw a delay in minutes."""
    return {"delay": quantity(rng.randint(1, 59), "minute")}


FRAMES = (
    frame(
        "{vehicle} to {city} departs at {time}.",
        "{vehicle} nach {city} fährt um {time} Uhr ab.",
        vehicle,
        to_city,
        at,
    ),
    frame(
        "{vehicle} from {origin} to {city} departs at {time}.",
        "{vehicle} von {origin} nach {city} fährt um {time} Uhr ab.",
        vehicle,
        two_cities,
        at,
    ),
    frame(
        "The flight from {city} arrives at {time}.",
        "Der Flug aus {city} kommt um {time} Uhr an.",
        to_city,
        at,
    ),
    frame(
        "On {weekday}, {vehicle} to {city} departs at {time}.",
        "Am {weekday} fährt {vehicle} nach {city} um {time} Uhr ab.",
        weekday,
        vehicle,
        to_city,
        at,
    ),
    frame(
        "We know that {vehicle} to {city} departs at {time}.",
        "Wir wissen, dass {vehicle} nach {city} um {time} Uhr abfährt.",
        vehicle,
        to_city,
        at,
    ),
    frame(
        "Does {vehicle} to {city} depart at {time}?",
        "Fährt {vehicle} nach {city} um {time} Uhr ab?",
        vehicle,
        to_city,
        at,
    ),
    frame(
        "{vehicle} to {city} departed at {time} with a delay of {delay}.",
        "{vehicle} nach {city} ist um {time} Uhr mit {delay} Verspätung abgefahren.",
        vehicle,
        to_city,
        at,
        delay,
    ),
    frame(
        "{place} is open from {opens} to {closes}.",
        "{place} ist von {opens} bis {closes} Uhr geöffnet.",
        place,
        hours,
    ),
)
