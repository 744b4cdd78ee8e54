"""Moses's detokenisation."""

from __future__ import annotations

from attn_nmt import moses

detokenize = moses.detokenizer("de")


def test_tokens_are_joined_and_nothing_is_unescaped() -> None:
    tokens = ["Er sagte : „ Ja , 3,5 % “ .", "R &amp; D kostet viel ( brutto ) ."]
    assert detokenize(tokens[1]) == "R &amp; D kostet viel (brutto)."
    assert ", 3,5" in detokenize(tokens[0])


def test_languages_are_those_that_are_not_treated_as_english() -> None:
    assert {"en", "de", "fr", "zh", "ja", "ko"} < moses.LANGUAGES
    assert not {"english", "tlh", ""} & moses.LANGUAGES


def test_text_is_normalised_before_it_is_tokenised() -> None:
    """By rules of which both depend on the language."""
    preprocess = moses.preprocessor("fr", normalize_punctuation=True, tokenize=True)
    assert preprocess("« l'eau »") == '" l\' eau "'
    assert moses.preprocessor("fr", tokenize=False)("« l'eau »") == "« l'eau »"
