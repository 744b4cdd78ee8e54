"""Compound units: so much per hour, per kilogram, per year."""

from random import Random

from babel import Locale
from babel.units import format_compound_unit

from attn_nmt.data.cldr.currencies import CURRENCIES, draw_money
from attn_nmt.data.cldr.frames import Maker, Pair, Slots, frame, pick
from attn_nmt.data.cldr.words import Amount, large_size, person, quantity, size

SPEEDS = (("kilometer", "hour"), ("mile", "hour"), ("meter", "second"), ("foot", "second"))
SUPPLIES = ("liter", "gallon", "kilowatt-hour", "kilogram")
FLOWS = tuple((unit, time) for unit in SUPPLIES for time in ("day", "week", "month", "year"))
WAGES = ("hour", "day", "week", "month", "year")
MACHINES: tuple[Pair, ...] = (
    ("the machine", "die Maschine"),
    ("the factory", "die Fabrik"),
    ("the heater", "die Heizung"),
    ("the boiler", "der Kessel"),
    ("the engine", "der Motor"),
    ("the power plant", "das Kraftwerk"),
)
TRAFFIC: tuple[Pair, ...] = (
    ("the car", "das Auto"),
    ("the train", "der Zug"),
    ("the bus", "der Bus"),
    ("the truck", "der Lastwagen"),
    ("the tram", "die Straßenbahn"),
    ("the motorcycle", "das Motorrad"),
)
# With their verbs: a plural in German is not always one in English.
GOODS: tuple[Pair, ...] = (
    ("the apples cost", "die Äpfel kosten"),
    ("the oranges cost", "die Orangen kosten"),
    ("the tomatoes cost", "die Tomaten kosten"),
    ("the rice costs", "der Reis kostet"),
    ("the cheese costs", "der Käse kostet"),
)
LIQUID_GOODS: tuple[Pair, ...] = (
    ("the juice costs", "der Saft kostet"),
    ("the wine costs", "der Wein kostet"),
    ("the milk costs", "die Milch kostet"),
    ("the oil costs", "das Öl kostet"),
)


def per(amount: Pair, unit: str) -> Pair:
    """Return CLDR's rate of a formatted amount: ("3 liters per hour", "3 Liter pro Stunde")."""

    def render(formatted: str, language: str) -> str:
        text = format_compound_unit(formatted, denominator_unit=unit, locale=Locale(language))
        assert text is not None  # Babel returns None only where the locale lacks the unit
        return text

    return render(amount[0], "en"), render(amount[1], "de")


def rate(slot: str, units: tuple[tuple[str, str], ...], amount: Amount = size) -> Maker:
    """Return a maker that fills `slot` with some amount of one of the compound `units`."""

    def make(rng: Random) -> Slots:
        unit, each = rng.choice(units)
        return {slot: per(quantity(amount(rng), unit), each)}

    return make


def price(slot: str, units: tuple[str, ...]) -> Maker:
    """Return a maker that fills `slot` with money for one of `units`."""
    return lambda rng: {slot: per(draw_money(rng, CURRENCIES[:3]), rng.choice(units))}


speed, flow = rate("speed", SPEEDS), rate("flow", FLOWS, large_size)
by_weight, by_volume = price("price", ("kilogram", "pound")), price("price", ("liter", "gallon"))
traffic, machine = pick("vehicle", TRAFFIC), pick("machine", MACHINES)
FRAMES = (
    frame("{vehicle} travels {speed}.", "{vehicle} fährt {speed}.", traffic, speed),
    frame(
        "{vehicle} may not travel faster than {speed}.",
        "{vehicle} darf nicht schneller als {speed} fahren.",
        traffic,
        speed,
    ),
    frame("{machine} uses {flow}.", "{machine} verbraucht {flow}.", machine, flow),
    frame(
        "We know that {machine} uses {flow}.",
        "Wir wissen, dass {machine} {flow} verbraucht.",
        machine,
        flow,
    ),
    frame("{goods} {price}.", "{goods} {price}.", pick("goods", GOODS), by_weight),
    frame("{goods} {price}.", "{goods} {price}.", pick("goods", LIQUID_GOODS), by_volume),
    frame("{person} earns {wage}.", "{person} verdient {wage}.", person, price("wage", WAGES)),
    frame(
        "{person} will earn {wage}.",
        "{person} wird {wage} verdienen.",
        person,
        price("wage", WAGES),
    ),
)
