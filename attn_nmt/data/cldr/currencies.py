"""Sums of money under their long names: "1,234.50 US dollars" is "1.234,50 US-Dollar"."""

from collections.abc import Sequence
from functools import cache
from random import Random

from babel import Locale
from babel.numbers import format_currency, get_currency_name, get_currency_precision

from attn_nmt.data.cldr.frames import Pair, Slots, both, frame
from attn_nmt.data.cldr.words import person, thing

# From 2 on, their German plurals are alike in the nominative and the accusative, and regular.
CODES = "EUR USD GBP CHF JPY INR RUB PLN CZK SEK NOK DKK HUF MXN CAD AUD NZD ZAR KRW EGP SGD ARS"
CURRENCIES = tuple(CODES.split())
CENTS = (25, 50, 75, 95, 99)


@cache
def money(amount: float, currency: str) -> Pair:
    """Return CLDR's long name of a sum, with cents only where it has some."""
    pattern = None if amount % 1 else "#,##0"

    def render(locale: Locale) -> str:
        return format_currency(
            amount, currency, pattern, locale, currency_digits=pattern is None, format_type="name"
        )

    return both(render)


def draw_amount(rng: Random, *, cents: bool) -> float:
    """Return a sum from 2 on: mostly below 1,000, some with cents, some in thousands."""
    kind = rng.randrange(10)
    if kind < 2:
        return rng.randrange(1000, 50000, 50)
    if kind < 5 and cents:
        return rng.randrange(2, 200) + rng.choice(CENTS) / 100
    return rng.randrange(2, 1000)


def draw_money(rng: Random, currencies: Sequence[str]) -> Pair:
    """Return some sum in one of `currencies`."""
    currency = rng.choice(currencies)
    return money(draw_amount(rng, cents=get_currency_precision(currency) > 0), currency)


def cash(rng: Random) -> Slots:
    """Draw two sums of money in different currencies, and the plural name of the second."""
    one, two = rng.sample(CURRENCIES, 2)
    return {
        "money": draw_money(rng, [one]),
        "other": draw_money(rng, [two]),
        "currency": both(lambda locale: get_currency_name(two, 2, locale)),
    }


FRAMES = (
    frame("{thing} costs {money}.", "{thing} kostet {money}.", thing, cash),
    frame(
        "{person} sold {thing} for {money}.",
        "{person} hat {thing_accusative} für {money} verkauft.",
        person,
        thing,
        cash,
    ),
    frame(
        "We do not know whether {thing} costs more than {money}.",
        "Wir wissen nicht, ob {thing} mehr als {money} kostet.",
        thing,
        cash,
    ),
    frame(
        "If {thing} costs {money}, I will buy {thing_pronoun}.",
        "Wenn {thing} {money} kostet, kaufe ich {thing_pronoun}.",
        thing,
        cash,
    ),
    frame(
        "{thing} does not cost {money} but {other}.",
        "{thing} kostet nicht {money}, sondern {other}.",
        thing,
        cash,
    ),
    frame(
        "{person} exchanged {money} for {currency}.",
        "{person} hat {money} in {currency} umgetauscht.",
        person,
        cash,
    ),
    frame(
        "Last year, {person} had to pay {money}.",
        "Letztes Jahr musste {person} {money} bezahlen.",
        person,
        cash,
    ),
)
