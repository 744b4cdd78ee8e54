"""A real English-German parallel corpus that needs no download.

The words come from the Unicode CLDR, through `Babel`, and from `num2words`; a few sentence frames
put them where word order, plural, case and agreement differ between the two languages.

    frames.py       a frame draws one sentence pair; the two locales; clean text
    words.py        the nouns, people, places and amounts that several categories share
    dates.py        "Wednesday, March 4, 1987"          "Mittwoch, 4. März 1987"
    times.py        "departs at 3:07 PM"                "fährt um 15:07 Uhr ab"
    durations.py    "3 days ago"                        "vor 3 Tagen"
    measures.py     "3 liters of milk"                  "3 Liter Milch"
    rates.py        "120 kilometers per hour"           "120 Kilometer pro Stunde"
    currencies.py   "1,234.50 US dollars"               "1.234,50 US-Dollar"
    territories.py  "Spain, Austria, and Greece"        "Spanien, Österreich und Griechenland"
    languages.py    "from Polish into Greek"            "aus dem Polnischen ins Griechische"
    numbers.py      "one hundred and twenty-three"      "einhundertdreiundzwanzig"
    corpus.py       the shares of the categories, their mixture and the splits
"""

from attn_nmt.data.cldr.corpus import generate

__all__ = ["generate"]
