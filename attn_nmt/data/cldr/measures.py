"""Measures: decimal comma, German units that have no plural, and "of" that has no translation."""

from random import Random

from babel.numbers import format_decimal

from attn_nmt.data.cldr.frames import Maker, Pair, Slots, both, frame, pick, pick_two
from attn_nmt.data.cldr.words import CITIES, large_size, measured, person, quantity, size, thing

LENGTHS = ("meter", "centimeter", "foot", "inch", "yard")
WEIGHTS = ("gram", "kilogram", "pound", "ounce")
DISTANCES = ("kilometer", "mile")
LIQUID_UNITS = ("liter", "cup", "gallon")
SOLID_UNITS = ("gram", "kilogram", "ounce", "tablespoon", "teaspoon", "cup")
LIQUIDS: tuple[Pair, ...] = (
    ("milk", "Milch"),
    ("water", "Wasser"),
    ("oil", "Öl"),
    ("juice", "Saft"),
    ("wine", "Wein"),
    ("beer", "Bier"),
)
SOLIDS: tuple[Pair, ...] = (
    ("flour", "Mehl"),
    ("sugar", "Zucker"),
    ("butter", "Butter"),
    ("rice", "Reis"),
    ("salt", "Salz"),
    ("honey", "Honig"),
    ("coffee", "Kaffee"),
    ("cheese", "Käse"),
)
DIMENSIONS: tuple[Pair, ...] = (("long", "lang"), ("wide", "breit"), ("high", "hoch"))
COMPARED: tuple[Pair, ...] = (
    ("longer", "länger"),
    ("wider", "breiter"),
    ("higher", "höher"),
)
CHANGES: tuple[Pair, ...] = (("rose", "stieg"), ("fell", "fiel"))


def portion(slot: str, units: tuple[str, ...], substances: tuple[Pair, ...]) -> Maker:
    """Return a maker of an amount of something: ("3 liters of milk", "3 Liter Milch")."""

    def make(rng: Random) -> Slots:
        amount, substance = quantity(size(rng), rng.choice(units)), rng.choice(substances)
        return {slot: (f"{amount[0]} of {substance[0]}", f"{amount[1]} {substance[1]}")}

    return make


def warming(rng: Random) -> Slots:
    """Draw a change of temperature: the verb, the number it starts from and the new degrees."""
    low, high = sorted(rng.sample(range(2, 100), 2))
    change = rng.choice(CHANGES)
    start, end = (low, high) if change == CHANGES[0] else (high, low)
    return {
        "change": change,
        "start": both(lambda locale: format_decimal(start, locale=locale)),
        "end": quantity(end, rng.choice(("celsius", "fahrenheit"))),
    }


length, width = measured("length", LENGTHS), measured("width", LENGTHS)
liquid, solid = portion("liquid", LIQUID_UNITS, LIQUIDS), portion("solid", SOLID_UNITS, SOLIDS)
weight = measured("weight", WEIGHTS, large_size)
dimension, two_dimensions = pick("one", DIMENSIONS), pick_two("one", "two", DIMENSIONS)
FRAMES = (
    frame("{thing} is {length} {one}.", "{thing} ist {length} {one}.", thing, length, dimension),
    frame(
        "{thing} is {length} {one} and {width} {two}.",
        "{thing} ist {length} {one} und {width} {two}.",
        thing,
        length,
        width,
        two_dimensions,
    ),
    frame("{thing} weighs {weight}.", "{thing} wiegt {weight}.", thing, weight),
    frame(
        "{person} needs {liquid} and {solid}.",
        "{person} braucht {liquid} und {solid}.",
        person,
        liquid,
        solid,
    ),
    frame("{person} must buy {solid}.", "{person} muss {solid} kaufen.", person, solid),
    frame(
        "{origin} is {distance} away from {city}.",
        "{origin} liegt {distance} von {city} entfernt.",
        pick_two("origin", "city", CITIES),
        measured("distance", DISTANCES, large_size),
    ),
    frame(
        "The temperature {change} from {start} to {end}.",
        "Die Temperatur {change} von {start} auf {end}.",
        warming,
    ),
    frame(
        "If {thing} is {more} than {length}, we cannot use {thing_pronoun}.",
        "Wenn {thing} {more} als {length} ist, können wir {thing_pronoun} nicht verwenden.",
        thing,
        pick("more", COMPARED),
        length,
    ),
)
