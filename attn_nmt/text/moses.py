"""Moses's rules by sacremoses: punctuation normalisation and tokenisation."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import partial

from sacremoses import MosesPunctNormalizer, MosesTokenizer
from sacremoses.corpus import NonbreakingPrefixes

LineFunction = Callable[[str], str]

# Those with a list of abbreviations of their own, or characters. For any other, sacremoses silently
# takes the English list.
LANGUAGES = frozenset({*NonbreakingPrefixes().available_langs.values(), "ja", "ko"})
"""Codes of the languages whose rules sacremoses knows."""


def tokenizer(lang: str, *, aggressive_hyphens: bool = False) -> LineFunction:
    """Return what tokenises a line, without escaping.

    Hyphens inside words stay, unless ``aggressive_hyphens`` splits ``a-b`` into ``a @-@ b``.
    """
    return partial(
        MosesTokenizer(lang).tokenize,
        return_str=True,
        escape=False,
        aggressive_dash_splits=aggressive_hyphens,
    )


def punctuation_normalizer(lang: str) -> LineFunction:
    """Return what normalises quotation marks, dashes and blanks, and drops control characters.

    The same as Moses's normalize-punctuation followed by remove-non-printing-char.
    """
    rules, printable = MosesPunctNormalizer(lang, perl_parity=True), _Printable()

    def normalize(line: str) -> str:
        return " ".join(rules.normalize(line).translate(printable).split())

    return normalize


def preprocessor(
    lang: str,
    *,
    normalize_punctuation: bool = False,
    tokenize: bool,
    aggressive_hyphens: bool = False,
) -> LineFunction:
    """Return what a line goes through before it is split into subwords."""
    steps: list[LineFunction] = []
    if normalize_punctuation:
        steps.append(punctuation_normalizer(lang))
    if tokenize:
        steps.append(tokenizer(lang, aggressive_hyphens=aggressive_hyphens))

    def preprocess(line: str) -> str:
        for step in steps:
            line = step(line)
        return line

    return preprocess


class _Printable(dict[int, str]):
    """Map control, format and unassigned characters to a blank, all others to themselves."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = " " if unicodedata.category(character)[0] == "C" else character
        return self[code]
