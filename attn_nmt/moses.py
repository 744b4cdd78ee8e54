"""Moses's rules for text (by sacremoses): punctuation, tokens, and back to plain text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import partial

from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer

LineFunction = Callable[[str], str]


def tokenizer(lang: str, *, aggressive_hyphens: bool = False) -> LineFunction:
    """Return tokenisation of one line, nothing escaped, hyphens whole unless asked for.

    ``aggressive_hyphens`` makes ``a @-@ b`` of ``a-b``.
    """
    return partial(
        MosesTokenizer(lang).tokenize,
        return_str=True,
        escape=False,
        aggressive_dash_splits=aggressive_hyphens,
    )


def detokenizer(lang: str) -> LineFunction:
    """Return what undoes it; nothing is unescaped, since nothing was escaped."""
    undo = MosesDetokenizer(lang)

    def detokenize(line: str) -> str:
        text: str = undo.detokenize(line.split(), unescape=False)
        return text

    return detokenize


def punctuation_normalizer(lang: str) -> LineFunction:
    """Return what makes quotation marks, dashes and blanks plain, and drops control characters.

    As Moses's normalize-punctuation and remove-non-printing-char one after the other.
    """
    rules, printable = MosesPunctNormalizer(lang, perl_parity=True), _Printable()

    def normalize(line: str) -> str:
        return " ".join(rules.normalize(line).translate(printable).split())

    return normalize


class _Printable(dict[int, str]):
    """Maps control, format and unassigned characters to a blank, all others to themselves."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = " " if unicodedata.category(character)[0] == "C" else character
        return self[code]
