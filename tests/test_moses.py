"""Moses's detokenisation."""

from __future__ import annotations

from attn_nmt import moses

detokenize = moses.detokenizer("de")


def test_tokens_are_joined_and_nothing_is_unescaped() -> None:
    tokens = ["Er sagte : „ Ja , 3,5 % “ .", "R &amp; D kostet viel ( brutto ) ."]
    assert detokenize(tokens[1]) == "R &amp; D kostet viel (brutto)."
    assert ", 3,5" in detokenize(tokens[0])
