"""The CLDR corpus: deterministic, one-to-one, disjoint splits, and correct German."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from datetime import date
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from babel.dates import get_month_names

from attn_nmt.data.cldr import (
    corpus,
    currencies,
    dates,
    durations,
    generate,
    languages,
    measures,
    numbers,
    rates,
    territories,
    times,
    words,
)
from attn_nmt.data.cldr.frames import Pair, clean, sentence, stream

ROOT = Path(__file__).parents[2]
SIZES = {"train": 6_000, "valid": 1_000, "test": 1_000}
Splits = dict[str, list[Pair]]


@pytest.fixture(scope="module")
def splits() -> Splits:
    return generate(seed=1, **SIZES)


@pytest.fixture(scope="module")
def pairs(splits: Splits) -> list[Pair]:
    return [pair for split in splits.values() for pair in split]


def some(category: str, count: int = 2_000) -> list[Pair]:
    """Return the first pairs of a category."""
    return list(islice(stream(corpus.CATEGORIES[category][0], Random(3)), count))


# --- the corpus as a whole ---------------------------------------------------------------------


def output(**environment: str) -> bytes:
    """Return what a fresh Python prints of a small corpus in the given environment."""
    code = (
        "import sys; from attn_nmt.data.cldr import generate;"
        "corpus = generate(seed=7, train=300, valid=20, test=20);"
        "sys.stdout.buffer.write(repr(corpus).encode())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, check=True, capture_output=True).stdout


def test_same_seed_gives_same_bytes_whatever_the_environment() -> None:
    one = output(PYTHONHASHSEED="0", TZ="UTC", LC_ALL="C", LANG="C")
    two = output(PYTHONHASHSEED="1", TZ="Asia/Tokyo", LC_ALL="de_DE.UTF-8", LANG="tr_TR.UTF-8")
    assert len(one) > 20_000
    assert one == two
    assert one == repr(generate(seed=7, train=300, valid=20, test=20)).encode()


def test_other_seed_gives_other_pairs() -> None:
    one, two = (generate(seed=seed, train=200, valid=0, test=0)["train"] for seed in (1, 2))
    assert len(set(one) & set(two)) < 20


def test_sizes_are_those_requested(splits: Splits) -> None:
    assert {name: len(split) for name, split in splits.items()} == SIZES


def test_every_side_has_3_to_20_words(pairs: list[Pair]) -> None:
    lengths = {len(text.split()) for pair in pairs for text in pair}
    assert min(lengths) >= 3
    assert max(lengths) <= 20


def test_text_is_nfc_with_plain_single_spaces(pairs: list[Pair]) -> None:
    for text in (text for pair in pairs for text in pair):
        assert unicodedata.is_normalized("NFC", text), text
        assert text == text.strip()
        assert "  " not in text
        odd = [c for c in text if unicodedata.category(c)[0] in "CZ" and c != " "]
        assert not odd, text
        assert not set(text) & set("{}\ufffd"), text


@pytest.mark.parametrize("side", [0, 1], ids=["english", "german"])
def test_splits_are_disjoint_on_each_side(splits: Splits, side: int) -> None:
    train, valid, test = ({pair[side] for pair in splits[name]} for name in SIZES)
    assert not valid & train
    assert not test & train
    assert not valid & test


def test_corpus_is_one_to_one(pairs: list[Pair]) -> None:
    assert len(pairs) == len({pair[0] for pair in pairs}) == len({pair[1] for pair in pairs})


def test_draw_drops_what_is_seen_on_either_side_or_has_a_wrong_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = [("a b c", "x y z"), ("d e f", "u v w"), (" ".join("a" * 20), " ".join("x" * 20))]
    seen = [("a b c", "new n n"), ("new n n", "x y z")]
    wrong = [("a b", "g h i"), ("g h i", "a b"), (" ".join("b" * 21), "j k l")]
    offered = [good[0], *seen, *wrong, *good[1:]]
    monkeypatch.setattr(corpus, "CATEGORIES", {"dates": ((), 100)})
    monkeypatch.setattr(corpus, "stream", lambda frames, rng: iter(offered))
    assert corpus.draw(seed=1, total=3) == {"dates": good}
    message = r"^`dates` must give 4 pairs, but gives 3 instead\.$"
    with pytest.raises(RuntimeError, match=message):
        corpus.draw(seed=1, total=4)


def test_categories_have_their_shares() -> None:
    shares = {name: share for name, (_, share) in corpus.CATEGORIES.items()}
    assert sum(shares.values()) == 100
    drawn = corpus.draw(seed=1, total=1_000)
    assert {name: len(kept) for name, kept in drawn.items()} == {
        name: 10 * share for name, share in shares.items()
    }
    assert sum(corpus.counts(1_037).values()) == 1_037


def test_every_split_mixes_all_categories(splits: Splits) -> None:
    drawn = corpus.draw(seed=1, total=sum(SIZES.values()))
    category = {pair: name for name, kept in drawn.items() for pair in kept}
    for split in splits.values():
        found = Counter(category[pair] for pair in split)
        for name, (_, share) in corpus.CATEGORIES.items():
            assert found[name] / len(split) == pytest.approx(share / 100, abs=0.04)


def test_too_many_pairs_are_refused() -> None:
    message = (
        "^`train`, `valid` and `test` must be at most 60000 together .*, but are 60001 instead"
    )
    with pytest.raises(ValueError, match=message):
        generate(seed=1, train=59_981, valid=10, test=10)


def test_as_many_pairs_as_allowed_can_be_drawn() -> None:
    pairs = generate(seed=2, train=corpus.MAX_PAIRS - 20, valid=10, test=10)["train"]
    assert len(pairs) == corpus.MAX_PAIRS - 20
    assert len(pairs) == len({pair[0] for pair in pairs}) == len({pair[1] for pair in pairs})


@pytest.mark.parametrize("name", ["train", "valid", "test"])
def test_negative_sizes_are_refused(name: str) -> None:
    sizes = {"train": 10, "valid": 10, "test": 10, name: -1}
    with pytest.raises(ValueError, match=rf"^`{name}` must be at least 0, but is -1 instead\.$"):
        generate(seed=1, **sizes)


# --- what the two languages do differently -----------------------------------------------------

DAY = date(1987, 3, 4)
MARCH = ("Mar 4 \u2013 9, 1987", "4.\u20139. März 1987")


@pytest.mark.parametrize(
    ("pair", "english", "german"),
    [
        (dates.full_date(DAY), "Wednesday, March 4, 1987", "Mittwoch, 4. März 1987"),
        (dates.long_date(DAY), "March 4, 1987", "4. März 1987"),
        (dates.skeleton(DAY, "MMMMd"), "March 4", "4. März"),
        (dates.interval(DAY, date(1987, 3, 9), "yMMMd"), *MARCH),
        (times.clock(15 * 60 + 7), "3:07 PM", "15:07"),
        (times.clock(0), "12:00 AM", "00:00"),
        (times.clock(12 * 60), "12:00 PM", "12:00"),
        (durations.relative(-3, "day"), "3 days ago", "vor 3 Tagen"),
        (durations.relative(-1, "day"), "1 day ago", "vor 1 Tag"),
        (durations.relative(3, "month"), "in 3 months", "in 3 Monaten"),
        (durations.relative(20, "day"), "in 20 days", "in 20 Tagen"),
        (durations.dative(3, "day"), "3 days", "3 Tagen"),
        (durations.dative(40, "year"), "40 years", "40 Jahren"),
        (words.quantity(3, "day"), "3 days", "3 Tage"),
        (words.quantity(1, "hour"), "1 hour", "1 Stunde"),
        (words.quantity(2, "hour"), "2 hours", "2 Stunden"),
        (words.quantity(3, "liter"), "3 liters", "3 Liter"),
        (words.quantity(1.5, "mile"), "1.5 miles", "1,5 Meilen"),
        (rates.per(("3 liters", "3 Liter"), "hour"), "3 liters per hour", "3 Liter pro Stunde"),
        (currencies.money(1234.5, "USD"), "1,234.50 US dollars", "1.234,50 US-Dollar"),
        (currencies.money(2, "SEK"), "2 Swedish kronor", "2 Schwedische Kronen"),
        (territories.territory("DE"), "Germany", "Deutschland"),
        (languages.language("pl"), "Polish", "Polnisch"),
        (numbers.words(23), "twenty-three", "dreiundzwanzig"),
        (
            numbers.words(1234),
            "one thousand, two hundred and thirty-four",
            "eintausendzweihundertvierunddreißig",
        ),
        (numbers.words(23, "ordinal"), "twenty-third", "dreiundzwanzigste"),
        (
            numbers.words(1987, "year"),
            "nineteen eighty-seven",
            "neunzehnhundertsiebenundachtzig",
        ),
        (words.city("Vienna"), "Vienna", "Wien"),
        (words.weekday_name(0), "Monday", "Montag"),
    ],
)
def test_known_pairs(pair: Pair, english: str, german: str) -> None:
    assert (clean(pair[0]), clean(pair[1])) == (english, german)


def test_joined_durations_have_singular_and_plural() -> None:
    pieces = [words.quantity(3, "hour"), words.quantity(1, "minute")]
    assert durations.joined(pieces) == ("3 hours and 1 minute", "3 Stunden und 1 Minute")


def test_lists_lose_the_last_comma_in_german() -> None:
    names = [territories.territory(code) for code in ("ES", "AT", "GR")]
    assert territories.name_list(names) == (
        "Spain, Austria, and Greece",
        "Spanien, Österreich und Griechenland",
    )
    assert territories.name_list(names, "or")[1] == "Spanien, Österreich oder Griechenland"


def test_german_says_the_units_before_the_tens() -> None:
    units = ("ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
    tens = ("zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig")
    for ten, tens_word in enumerate(tens, start=2):
        for unit, unit_word in enumerate(units, start=1):
            assert numbers.words(10 * ten + unit)[1] == f"{unit_word}und{tens_word}"


def values(text: str, group: str, point: str) -> list[float]:
    """Return the numbers in `text`, given the two separators of its language."""
    found = re.findall(r"\d[\d.,]*", text)
    return sorted(float(word.rstrip(".,").replace(group, "").replace(point, ".")) for word in found)


@pytest.mark.parametrize("category", ["dates", "durations", "measures", "rates", "currencies"])
def test_both_sides_hold_the_same_numbers(category: str) -> None:
    for english, german in some(category):
        assert values(english, ",", ".") == values(german, ".", ","), (english, german)


def test_times_on_both_sides_are_the_same_minutes() -> None:
    for english, german in some("times"):
        twelve = re.findall(r"(\d+):(\d\d) ([AP])M", english)
        minutes = [int(h) % 12 * 60 + int(m) + 720 * (half == "P") for h, m, half in twelve]
        twenty_four = re.findall(r"(\d\d):(\d\d)", german)
        assert minutes == [int(h) * 60 + int(m) for h, m in twenty_four], (english, german)


def test_weekday_is_that_of_the_date() -> None:
    months = list(get_month_names("wide", locale="en").values())
    pattern = r".+ took place on (\w+), (\w+) (\d+), (\d+)\."
    matches = [(re.fullmatch(pattern, english), german) for english, german in some("dates")]
    found = [(match.groups(), german) for match, german in matches if match]
    assert len(found) > 50
    for (weekday, month, day, year), german in found:
        number = date(int(year), months.index(month) + 1, int(day)).weekday()
        assert weekday == words.WEEKDAYS[number][0]
        assert f" am {words.WEEKDAYS[number][1]}, dem {day}. " in german


def test_pronouns_agree_with_their_noun() -> None:
    seen = set()
    for german in (pair[1] for pair in some("currencies") + some("measures")):
        if match := re.fullmatch(r"Wenn (\w+) .*(?:kaufe ich|wir) (\w+)(?: nicht .*)?\.", german):
            assert match[2] == {"der": "ihn", "die": "sie", "das": "es"}[match[1]], german
            seen.add(match[1])
    assert seen == {"der", "die", "das"}


def test_duration_after_vor_seit_nach_in_is_dative() -> None:
    plural = r"\b(?:vor|seit|nach|in) \d+ (?:Jahre|Monate|Tage)\b"
    germans = [pair[1] for pair in some("durations")]
    assert not [text for text in germans if re.search(plural, text, re.IGNORECASE)]
    assert [text for text in germans if re.search(r"seit \d+ Jahren und \d+ Monaten", text)]


def test_duration_without_preposition_is_not_dative() -> None:
    germans = [pair[1] for pair in some("durations")]
    plain = [text for text in germans if re.match(r"\d|Die \w+ dauert", text)]
    assert len(plain) > 100
    assert not [text for text in plain if re.search(r"Jahren|Monaten|Tagen", text)]


@pytest.mark.parametrize("category", ["durations", "measures", "rates"])
def test_one_is_singular_in_both_languages(category: str) -> None:
    one = r"(?<![\d.,])1 (\w+)"
    plurals = r"Tage|Monate|Wochen|Jahre|Stunden|Minuten|Meilen|Unzen|Tassen|Gallonen"
    pairs = some(category)
    english, german = ([re.findall(one, pair[side]) for pair in pairs] for side in (0, 1))
    nouns = [noun for found in english for noun in found]
    assert len(nouns) > 50
    assert not [noun for noun in nouns if noun.endswith("s") or noun in {"feet", "inches"}]
    assert not [noun for found in german for noun in found if re.match(plurals, noun)]


def test_no_counted_noun_follows_eins() -> None:
    assert not [text for _, text in some("numbers") if re.search(r"eins [A-ZÄÖÜ]", text)]


def test_territories_with_an_article_stand_only_in_lists() -> None:
    names = "|".join(territories.territory(code)[1] for code in territories.OTHER.split())
    for _, german in some("territories"):
        assert not re.search(rf"\b(?:nach|in|aus|von) (?:{names})\b", german), german


def test_whole_sentences_begin_with_a_capital() -> None:
    assert sentence("the bus\u202fleaves.") == "The bus leaves."
    assert sentence("in 3\xa0days") == "in 3 days"


def test_temperatures_move_the_way_the_verb_says() -> None:
    found = [re.search(r"(rose|fell) from (\d+) to (\d+)", pair[0]) for pair in some("measures")]
    moves = [(m[1], int(m[2]), int(m[3])) for m in found if m]
    assert {verb for verb, _, _ in moves} == {english for english, _ in measures.CHANGES}
    assert all((start < end) == (verb == "rose") for verb, start, end in moves)
