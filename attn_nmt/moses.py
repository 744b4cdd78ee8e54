"""Moses's rules by sacremoses: punctuation normalisation and tokenisation."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import partial

from sacremoses import MosesPunctNormalizer, MosesTokenizer

LineFunction = Callable[[str], str]


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


class _Printable(dict[int, str]):
    """Map control, format and unassigned characters to a blank, all others to themselves."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = " " if unicodedata.category(character)[0] == "C" else character
        return self[code]
