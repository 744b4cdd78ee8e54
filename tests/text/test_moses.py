"""Moses's tokenisation, on which prepared corpora and models depend."""

from __future__ import annotations

import pytest

from attn_nmt.text import moses


@pytest.mark.parametrize(
    ("lang", "text", "tokens"),
    [
        ("de", "Um 18:00 Uhr (3,5 %)", "Um 18 : 00 Uhr ( 3,5 % )"),
        ("en", "It's well-known.", "It 's well-known ."),
        ("fr", "L'eau, c'est-à-dire", "L' eau , c' est-à-dire"),
        ("en", "R&D & <b>", "R & D & < b >"),
    ],
)
def test_text_is_tokenised_by_the_rules_of_its_language_and_not_escaped(
    lang: str, text: str, tokens: str
) -> None:
    assert moses.tokenizer(lang)(text) == tokens


def test_aggressive_hyphens_are_marked() -> None:
    assert moses.tokenizer("en", aggressive_hyphens=True)("a-b-c") == "a @-@ b @-@ c"


def test_languages_are_those_that_are_not_treated_as_english() -> None:
    assert {"en", "de", "fr", "zh", "ja", "ko"} < moses.LANGUAGES
    assert not {"english", "tlh", ""} & moses.LANGUAGES


def test_text_is_normalised_before_it_is_tokenised() -> None:
    """By rules of which both depend on the language."""
    preprocess = moses.preprocessor("fr", normalize_punctuation=True, tokenize=True)
    assert preprocess("« l'eau »") == '" l\' eau "'
    assert moses.preprocessor("fr", tokenize=False)("« l'eau »") == "« l'eau »"
