"""Dates and intervals of dates, as the CLDR writes them: month and day change places."""

from datetime import date
from random import Random

from babel.dates import format_date, format_interval, format_skeleton

from attn_nmt.data.cldr.frames import Maker, Pair, Slots, both, frame
from attn_nmt.data.cldr.words import event, person, place, to_city, weekday

PAST = (date(1950, 1, 1), date(2024, 12, 31))
COMING = (date(2026, 1, 1), date(2049, 12, 31))


def full_date(day: date) -> Pair:
    """Return ("Wednesday, March 4, 1987", "Mittwoch, 4. März 1987")."""
    return both(lambda locale: format_date(day, "full", locale=locale))


def long_date(day: date) -> Pair:
    """Return ("March 4, 1987", "4. März 1987")."""
    return both(lambda locale: format_date(day, "long", locale=locale))


def skeleton(day: date, fields: str) -> Pair:
    """Return the CLDR's order of the given fields: `MMMMd` is ("March 4", "4. März")."""
    return both(lambda locale: format_skeleton(fields, day, locale=locale))


def interval(first: date, last: date, fields: str) -> Pair:
    """Return the CLDR's interval of two days, which says once what they share."""
    return both(lambda locale: format_interval(first, last, fields, locale=locale))


def draw_day(rng: Random, period: tuple[date, date]) -> date:
    """Return a day of `period`, both ends included."""
    return date.fromordinal(rng.randint(period[0].toordinal(), period[1].toordinal()))


def day_in(period: tuple[date, date]) -> Maker:
    """Return a maker of one day of `period` in its long, full and month forms."""

    def make(rng: Random) -> Slots:
        day = draw_day(rng, period)
        full = full_date(day)
        return {
            "long": long_date(day),
            "full": full,
            "full_dative": (full[0], full[1].replace(", ", ", dem ")),
            "month": skeleton(day, "yMMMM"),
        }

    return make


def span(rng: Random) -> Slots:
    """Draw two days up to 200 days apart, as two dates and as intervals of days and months."""
    first = draw_day(rng, COMING)
    last = date.fromordinal(first.toordinal() + rng.randint(2, 200))
    return {
        "first": skeleton(first, "MMMMd"),
        "last": skeleton(last, "MMMMd"),
        "last_long": long_date(last),
        "days": interval(first, last, "yMMMd"),
        "weekdays": interval(first, last, "yMMMEd"),
    }


past, coming = day_in(PAST), day_in(COMING)
FRAMES = (
    frame("{full}", "{full}", past),
    frame("{days}", "{days}", span),
    frame("{weekdays}", "{weekdays}", span),
    frame("{event} took place on {full}.", "{event} fand am {full_dative}, statt.", event, past),
    frame("{event} begins on {long}.", "{event} beginnt am {long}.", event, coming),
    frame(
        "We know that {event} took place on {long}.",
        "Wir wissen, dass {event} am {long} stattfand.",
        event,
        past,
    ),
    frame("On {long}, {event} was canceled.", "Am {long} wurde {event} abgesagt.", event, past),
    frame(
        "{event} was postponed from {first} to {last}.",
        "{event} wurde vom {first} auf den {last} verschoben.",
        event,
        span,
    ),
    frame(
        "{place} will be closed from {first} to {last_long}.",
        "{place} wird vom {first} bis zum {last_long} geschlossen sein.",
        place,
        span,
    ),
    frame(
        "{place} has been closed since {month}.",
        "{place} ist seit {month} geschlossen.",
        place,
        past,
    ),
    frame(
        "{person} was born on {long} in {city}.",
        "{person} wurde am {long} in {city} geboren.",
        person,
        past,
        to_city,
    ),
    frame(
        "Because {event} begins on {long}, we are leaving on {weekday}.",
        "Weil {event} am {long} beginnt, reisen wir am {weekday} ab.",
        event,
        coming,
        weekday,
    ),
)
