"""Detokenisation restores what tokenisation split."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_nmt.data.cldr import generate
from attn_nmt.text import moses
from attn_nmt.text.detokenizer import APOSTROPHES, RULES, Detokenizer, Rule

LANGUAGES = ("en", "de", "fr")
DETOKENIZERS = {lang: Detokenizer(lang) for lang in (*LANGUAGES, "cs", "fi", "ja")}
TOKENIZERS = {
    (lang, aggressive): moses.tokenizer(lang, aggressive_hyphens=aggressive)
    for lang in LANGUAGES
    for aggressive in (False, True)
}

SENTENCES = {
    "en": """\
It's 18:00, isn't it?
The ratio is 3:1 and costs $1,234.56 (about 5%).
He paid £5 and €6.50 for 10 kg at 20 °C.
He said, "I don't know."
"Why?" he asked ("really").
He said 'free dinner' and left the dogs' toys.
The boys' club and the girls' club.
“Come in,” she said – ‘now’.
Dogs’ toys, it’s the 1990s’ best.
The '90s and rock 'n' roll.
See https://www.example.org/a/b?x=1&y=2 or mail john.doe@example.org.
From 2010-2015 the state-of-the-art model won 2:0.
On 12/05/2020, the 3rd of May...
A (small) [very small] thing; the position(s).
AT&T's R&D and Q&A.
U.S. troops, e.g. in Iraq, etc.
I'd say you're right, they've won, we'll see, I'm in.""",
    "de": """\
Der Zug fährt um 18:00 Uhr ab.
Am 3. Oktober 1990 kostete es 1.234,56 € pro Stück.
Er sagte: „Ich weiß nicht.“
Er sagte: "Ich weiß es nicht."
„Was?“, fragte er; „nichts“!
Das „Mongolian BBQ“-Schild, ‚so‘ heißt es.
„So ‚etwas‘ gibt's“, sagte er.
Die »Zeit« berichtet über 10–12 Punkte.
Das macht 50 % der 40%igen Lösung.
Siehe http://www.example.de/a oder info@example.de.
Vom 3.–5. Mai bzw. z. B. am 10.05.2020.
Geht's noch? Hab' ich gesagt!
In Levi's Jeans, Hans' Haus.
Ein deutsch-französischer Ein- und Ausgang.
Die (kleine) [sehr kleine] Sache ...
Schüler/innen und Lehrer*innen.
Der 1. FC Köln spielt 3:2 (1:0).""",
    "fr": """\
L'eau qu'il boit aujourd'hui n'est pas froide.
Il est 18:00 ou 18h30.
Il a dit : « Je ne sais pas. »
Il a dit "bonjour" ; puis : adieu.
“Bonjour”, dit-il...
D'abord, l'« ami » de Paul.
L’homme s’est levé.
Près d'1 million (d'euros).
Pourquoi ? Parce que c'est 50 % !
Quoi ?!
Cela coûte 1 234,56 € par mois, n° 5, 1er, 2e.
Voir http://www.example.fr/a et/ou info@example.fr.
Le rendez-vous est-il à Aix-en-Provence ?""",
}


@pytest.mark.parametrize(
    ("lang", "text"),
    [(lang, text) for lang, lines in SENTENCES.items() for text in lines.split("\n")],
)
@pytest.mark.parametrize("aggressive", [False, True])
def test_a_sentence_survives_tokenisation(lang: str, text: str, aggressive: bool) -> None:
    assert DETOKENIZERS[lang](TOKENIZERS[lang, aggressive](text)) == text


@pytest.mark.parametrize("rule", APOSTROPHES + RULES, ids=lambda rule: rule.reason)
def test_every_rule_does_what_its_example_says(rule: Rule) -> None:
    for lang in rule.languages or LANGUAGES:
        assert DETOKENIZERS[lang](rule.tokens) == rule.text


@pytest.mark.parametrize("rule", APOSTROPHES + RULES, ids=lambda rule: rule.reason)
def test_every_rule_is_needed_for_its_example(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, rules in {"APOSTROPHES": APOSTROPHES, "RULES": RULES}.items():
        others = tuple(other for other in rules if other is not rule)
        monkeypatch.setattr(f"attn_nmt.text.detokenizer.{name}", others)
    for lang in rule.languages or LANGUAGES:
        assert Detokenizer(lang)(rule.tokens) != rule.text


def test_the_embedded_corpus_survives_tokenisation() -> None:
    corpus = generate(seed=1, train=1, valid=1, test=1000)
    for lang, side in (("en", 0), ("de", 1)):
        tokenize, detokenize = TOKENIZERS[lang, False], DETOKENIZERS[lang]
        changed = [
            pair[side] for pair in corpus["test"] if detokenize(tokenize(pair[side])) != pair[side]
        ]
        assert changed == []


@pytest.mark.parametrize("lang", LANGUAGES)
@given(moment=st.times(), day=st.dates(), amount=st.integers(0, 10**9), goals=st.integers(0, 99))
def test_times_dates_numbers_and_scores_survive_tokenisation(
    lang: str, moment: time, day: date, amount: int, goals: int
) -> None:
    text = (
        f"A {moment:%H:%M}, {moment:%H:%M:%S} ({day:%d.%m.%Y}), {day:%m/%d/%Y}, {day:%Y-%m-%d}, "
        f"{amount:,} {amount / 100:.2f}, {goals}:{goals}."
    )
    for aggressive in (False, True):
        assert DETOKENIZERS[lang](TOKENIZERS[lang, aggressive](text)) == text


TOKENS = st.one_of(
    st.sampled_from(
        [*"\"'“”„‚‘’«»‹›.,:;!?%$€&#@/_+*-–()[]\xad°…", "http", "s", "d", "@-@", "日本"]
    ),
    st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=3),
)


@pytest.mark.parametrize("lang", DETOKENIZERS)
@given(tokens=st.lists(TOKENS, max_size=12))
def test_only_blanks_change(lang: str, tokens: list[str]) -> None:
    """Whatever a model may put out."""
    line = f" {' '.join(tokens)} ".replace(" @-@ ", "-")
    text = DETOKENIZERS[lang](" ".join(tokens))
    assert text.replace(" ", "") == line.replace(" ", "")
    assert text == " ".join(text.split())


def test_nothing_is_unescaped() -> None:
    assert (
        DETOKENIZERS["de"]("R &amp; D kostet viel ( brutto ) .")
        == "R &amp; D kostet viel (brutto)."
    )
