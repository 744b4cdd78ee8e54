"""Moses's rules, and what undoes them."""

from __future__ import annotations

from attn_nmt import moses

detokenize = moses.detokenizer("de")


def test_detokenize_undoes_moses_and_unescapes_nothing() -> None:
    tokens = ["Er sagte : „ Ja , 3,5 % “ .", "R &amp; D kostet viel ( brutto ) ."]
    assert detokenize(tokens[1]) == "R &amp; D kostet viel (brutto)."
    assert ", 3,5" in detokenize(tokens[0])
