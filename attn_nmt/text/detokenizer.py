"""Moses tokens to plain text: sacremoses's detokeniser, corrected where it leaves text split.

Tokenisation puts blanks into the text and does not say where: "18:00" and "18 : 00" have the same
tokens. Detokenisation decides for each gap between two tokens whether the text had a blank there.
sacremoses, which knows the punctuation, contractions and elisions of many languages, decides where
nothing else does. But it takes every colon for the end of a clause ("18: 00 Uhr") and knows few
quotation marks: :data:`APOSTROPHES`, the pairing of quotation marks and :data:`RULES` overrule it,
in this order. Only blanks ever change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from sacremoses import MosesDetokenizer

# What stands in a gap: white space, so that neither \S nor a token can match it.
_UNDECIDED, _JOINED, _APART = " ", "\t", "\n"
_GAP = re.compile(f"([{_UNDECIDED}{_JOINED}{_APART}])")


@dataclass(frozen=True)
class Rule:
    """Decides each gap inside a match of ``pattern``; lookarounds see the tokens around it."""

    reason: str
    pattern: str
    """Of a line of tokens, with a blank in undecided gaps and a tab in joined ones."""
    tokens: str
    """An example, ..."""
    text: str
    """... and what it becomes."""
    languages: tuple[str, ...] = ()
    """All, if empty."""
    joins: bool = True
    """Whether the tokens around a gap are joined, or kept apart where sacremoses joins them."""


# Apostrophes inside words, before the others are taken for quotation marks.
APOSTROPHES = (
    Rule(
        "Thousands as in Switzerland.",
        r"(?<=\d) ['’] (?=\d)",
        "Es kostet 10 ' 000 Franken .",
        "Es kostet 10'000 Franken.",
    ),
    Rule(
        "Moses splits at a typographic apostrophe.",
        r"(?<=\w) ’ (?=(?:[stdm]|re|ve|ll)\b)",
        "It ’ s the dog ’ s .",
        "It’s the dog’s.",
        ("en",),
    ),
    Rule(
        "Moses keeps 's whole: here the text had a blank, as it often has in Europarl.",
        r"(?<=\w) '(?= (?:[stdm]|re|ve|ll)\b)",
        "a minute ' s or a day ' s",
        "a minute' s or a day' s",
        ("en",),
    ),
    Rule(
        "Decades.",
        r"(?<= ['’]) (?=\d0s\b)",
        "Music of the ' 90s .",
        "Music of the '90s.",
        ("en",),
    ),
    Rule(
        "Moses's rules for German split at every apostrophe: pronouns and names.",
        r"(?<=\w) ['’‘] (?=(?:[st]|re|ve|ll|nem?|nen|ner)\b)",
        "Geht ' s zu McDonald ’ s ?",
        "Geht's zu McDonald’s?",
        ("de",),
    ),
    Rule(
        "French, Italian and Irish names in German.",
        r"(?<=\b[dlDLO]) ['’] (?=[^\W\d_])",
        "Herr d ' Ormesson und Frau O ’ Neill",
        "Herr d'Ormesson und Frau O’Neill",
        ("de",),
    ),
    Rule(
        "Elision with a typographic apostrophe.",
        r"(?<=[^\W\d_]) ’ (?=\w)",
        "de l ’ eau aujourd ’ hui",
        "de l’eau aujourd’hui",
        ("fr",),
    ),
    Rule(
        "Elision before a number or a quotation mark.",
        r"(?:(?<=\b[cdjlmnstCDJLMNST])|(?<=\b[qQ]u)) ['’] (?=\S)",
        "près d ' 1 million",
        "près d'1 million",
        ("fr",),
    ),
)

RULES = (
    Rule(
        "The second half of a compound.",
        r"(?<=[\t][“”\"’'‘»«]) (?=-[^\W\d_])|(?<=[)\]]) (?=-[^\W\d_])",
        "ein „ Mongolian BBQ “ -Schild",
        "ein „Mongolian BBQ“-Schild",
    ),
    Rule(
        "The second half of a word of which the first half is in brackets.",
        r"(?<=-) \) (?=[^\W\d_])",
        "der ( Wieder- ) Aufbau",
        "der (Wieder-)Aufbau",
    ),
    Rule(
        "Endings of plural, gender and case in brackets.",
        r"(?<=[^\W\d_]) \( (?=(?:s|e|es|n|en|r|in|innen) \))",
        "the position ( s )",
        "the position(s)",
    ),
    Rule(
        "Times, scores and ratios.",
        r"(?<=\d) : (?=\d)",
        "Um 18 : 00 : 30 Uhr stand es 1 : 0 .",
        "Um 18:00:30 Uhr stand es 1:0.",
    ),
    Rule(
        "Web addresses.",
        r"\b(?:https?|ftp) : / / (?=\w)|(?<=\S) / ~ (?=\w)"
        r"|(?<=\w) \? [\w-]+ = \S+(?: & [\w-]+ = \S+)*",
        "See https : / / a.org / ~ b / c ? d = 1 & e = 2 .",
        "See https://a.org/~b/c?d=1&e=2.",
    ),
    Rule(
        "E-mail addresses.",
        r"[\w.+-]+ @ (?:[\w-]+\.)+[^\W\d_]{2,}",
        "Write to info @ example.org .",
        "Write to info@example.org.",
    ),
    Rule(
        "Fractions, dates and alternatives.",
        r"(?<=\S) /(?: (?=\S)|$)",
        "90 / 220 / EWG und / oder",
        "90/220/EWG und/oder",
    ),
    Rule(
        "Identifiers, and feminine forms in German.",
        r"(?<=\w) _ (?=\w)",
        "Flugbegleiter _ in",
        "Flugbegleiter_in",
    ),
    Rule(
        "Feminine forms.",
        r"(?<=[^\W\d_]) (?:\*|:(?= innen)) (?=in(?:nen)?\b)",
        "Schüler * innen und Lehrer : innen",
        "Schüler*innen und Lehrer:innen",
        ("de",),
    ),
    Rule(
        "Character references, which are text: nothing is escaped or unescaped.",
        r"& (?:amp|lt|gt|quot|apos|nbsp|# \d+) ;",
        "stone & amp ; tile",
        "stone &amp; tile",
    ),
    Rule(
        "Names of capital letters; other words usually have blanks around &.",
        r"(?:(?<=\b[A-Z])|(?<=\b[A-Z]{2})) &(?:\tamp\t;)? (?=[A-Z]\b)",
        "Q & A at AT & T , but food & drink",
        "Q&A at AT&T, but food & drink",
    ),
    Rule(
        "Numbers of things.",
        r"# (?=\d)",
        "jersey # 24",
        "jersey #24",
    ),
    Rule(
        "Names that end in + or #.",
        r"(?<=[A-Z]{3}) \+(?: (?=-[^\W\d_])|(?! [A-Z\d]))|(?<=\bC) (?:\+ \+|#)",
        "LEADER + , a LEADER + -Programme , C + + and C #",
        "LEADER+, a LEADER+-Programme, C++ and C#",
    ),
    Rule(
        "Marks that belong to the word before them.",
        r"(?<=\w) (?=[®™])|(?<=\d) (?=°(?! [CF]\b))|(?<=\bn) (?=°)|(?<=°) (?=[CF]\b)",
        "Le Bluetooth ® n ° 5 à 360 ° et 20 ° C",
        "Le Bluetooth® n° 5 à 360° et 20 °C",
    ),
    Rule(
        "Percentages in words.",
        r"(?<=\d) % (?=-[^\W\d_]|igen?\b|ige[rsm]\b)",
        "eine 40 % ige Erhöhung , die 5 % -Klausel",
        "eine 40%ige Erhöhung, die 5%-Klausel",
        ("de",),
    ),
    Rule(
        "German has a blank before a percent sign (DIN 5008).",
        r"(?<=\d) (?=%)",
        "um 50 % .",
        "um 50 %.",
        ("de",),
        joins=False,
    ),
    Rule(
        "sacremoses takes every currency sign for the beginning of an amount.",
        r"(?<=\d [$€£¥]) (?=[^\W\d_])",
        "Das kostet 5 € pro Person .",
        "Das kostet 5 € pro Person.",
        joins=False,
    ),
    Rule(
        "Ranges, but not those from one whole date to another.",
        r"(?<=\d\.) – (?=\d)|(?<=\d) – (?=\d+\b(?!\.))",
        "10 – 12 Uhr , 10. – 30. Jan. 2030 – 3. Mai 2031",
        "10–12 Uhr, 10.–30. Jan. 2030 – 3. Mai 2031",
        ("de",),
    ),
    Rule(
        "Three dots replace words, not the end of a word (Duden, D 17).",
        r"(?<=\w) (?=\.\.\.)",
        "Das heißt ...",
        "Das heißt ...",
        ("de",),
        joins=False,
    ),
    Rule(
        "The one-character ellipsis, as sacremoses joins three dots.",
        r"(?<=\w) (?=…)",
        "and so on …",
        "and so on…",
        ("en", "fr"),
    ),
    Rule(
        "sacremoses puts a blank before each.",
        r"(?<=[?!]) (?=[?!])",
        "Un chapeau ? ? ?",
        "Un chapeau ???",
        ("fr",),
    ),
    Rule(
        "Paragraphs of articles.",
        r"(?<=\d) \( (?=(?:\d\d?|[a-z]) \))",
        "Article 299 ( 2 ) of the Treaty",
        "Article 299(2) of the Treaty",
        ("en",),
    ),
    Rule(
        "Documents of the European Union, in Europarl.",
        r"(?:(?<=\bCOM)|(?<=\bKOM)|(?<=\bSEC)|(?<=\bSEK)) \( (?=\d)"
        r"|(?<=\t/\t\d{4}) (?=\( [A-Z]{3} \))",
        "KOM ( 1999 ) 158 , 1998 / 0106 ( COD )",
        "KOM(1999) 158, 1998/0106(COD)",
    ),
    Rule(
        "A soft hyphen is inside a word, except in a list.",
        r"(?<=[^\W\d_])(?<!\bund)(?<!\boder) \xad (?!und\b|oder\b)(?=[^\W\d_])",
        "Kosovokon \xad flikt , Staats \xad und",
        "Kosovokon\xadflikt, Staats \xad und",
    ),
)

_OPENING = {
    '"': '"',
    "'": "'",
    "„": '“”"',
    "‚": "‘’'",
    "“": '”“"',
    "‘": "’‘'",
    "»": "«",
    "«": "»",
    "›": "‹",
    "‹": "›",
}
"""Marks that can open a quotation, and those that can close it."""
_QUOTES = frozenset("".join(_OPENING) + "".join(_OPENING.values()))
_SPACED_QUOTES = {"fr": frozenset("«»‹›")}
"""Marks with blanks on both sides."""
_PUNCTUATION = frozenset(".,;:!?)]}")


class Detokenizer:
    """Joins the tokens of a line by the rules of a language; nothing is unescaped."""

    def __init__(self, lang: str) -> None:
        self._library = MosesDetokenizer(lang)
        self._quotes = _QUOTES - _SPACED_QUOTES.get(lang, frozenset())
        self._apostrophes = _for_language(APOSTROPHES, lang)
        self._rules = _for_language(RULES, lang)

    def __call__(self, line: str) -> str:
        """Return the text of a line of tokens, separated by blanks."""
        # Tokenisation with aggressive hyphens says where it split.
        tokens = f" {' '.join(line.split())} ".replace(" @-@ ", "-").split()
        if not tokens:
            return ""
        marked = _apply(self._apostrophes, " ".join(tokens))
        marked = _apply(self._rules, self._join_quotes(marked))
        gaps = _GAP.findall(marked)
        text = tokens[0]
        for token, gap, has_blank in zip(tokens[1:], gaps, self._blanks(tokens), strict=True):
            if gap == _APART or (gap == _UNDECIDED and has_blank):
                text += " "
            text += token
        return text

    def _blanks(self, tokens: list[str]) -> list[bool]:
        """Return for each gap whether sacremoses puts a blank there."""
        # It would count quotation marks in its own way: it sees words in their place.
        words = ["x" if token in self._quotes else token for token in tokens]
        text = self._library.detokenize(words, unescape=False)
        blanks, position = [], len(words[0])
        for word in words[1:]:
            blanks.append(text[position] == " ")
            position += blanks[-1] + len(word)
        return blanks

    def _join_quotes(self, line: str) -> str:
        """Join each quotation mark to what it opens or closes."""
        parts = _GAP.split(line)
        tokens, gaps = parts[::2], [_APART, *parts[1::2], _APART]
        marks = [
            number
            for number, token in enumerate(tokens)
            if token in self._quotes
            # The others are apostrophes.
            and (token not in "'’‘" or _JOINED not in gaps[number : number + 2])
        ]
        # Moses leaves an apostrophe at the beginning of a line with its word.
        expected = [_OPENING["'"]] if re.match(r"'\w", tokens[0]) else []
        for rank, number in enumerate(marks):
            token = tokens[number]
            level = next((i for i, closing in enumerate(expected) if token in closing), None)
            is_opening = level is None and token in _OPENING and _precedes_word(tokens, number)
            if is_opening and token == "'":
                later = [other for other in marks[rank + 1 :] if tokens[other] == token]
                if _may_be_genitive(tokens, number):
                    # "He says 'no'" or "the boys' club": is a mark left to close a quotation?
                    can_close = not all(_may_be_genitive(tokens, other) for other in later)
                    is_opening = can_close and len(later) % 2 == 1
                else:
                    is_opening = bool(later)
            if level is not None:
                del expected[level:]
            if is_opening:
                expected.append(_OPENING[token])
            # gaps[number] is the one before the token.
            gaps[number + is_opening] = _JOINED
        return "".join(token + gap for token, gap in zip(tokens, gaps[1:], strict=True))[:-1]


def _precedes_word(tokens: list[str], number: int) -> bool:
    return number + 1 < len(tokens) and tokens[number + 1] not in _PUNCTUATION


def _may_be_genitive(tokens: list[str], number: int) -> bool:
    """Return whether an apostrophe may stand for the s of a genitive: "the boys' club"."""
    return number > 0 and tokens[number - 1][-1] in "sSxz" and _precedes_word(tokens, number)


def _for_language(rules: tuple[Rule, ...], lang: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the patterns for a language, and what each writes into the gaps that it matches."""
    return [
        (re.compile(rule.pattern), _JOINED if rule.joins else _APART)
        for rule in rules
        if not rule.languages or lang in rule.languages
    ]


def _apply(rules: list[tuple[re.Pattern[str], str]], line: str) -> str:
    for pattern, decision in rules:
        line = pattern.sub(partial(_decide, decision), line)
    return line


def _decide(decision: str, match: re.Match[str]) -> str:
    return match[0].replace(_UNDECIDED, decision)
