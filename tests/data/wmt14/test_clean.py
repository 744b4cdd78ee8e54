"""Punctuation, tokens, and which pairs are dropped."""

from __future__ import annotations

import pytest

from attn_nmt.data.wmt14.clean import pair_cleaner, reason_to_drop


@pytest.mark.parametrize(
    ("lang", "text", "tokens"),
    [
        (
            "en",
            "He said: \u201eHello\u201c \u2013 it\u2019s\u2026",
            'He said : " Hello " - it \'s ...',
        ),
        ("en", "soft\u00adhyphen\u200band\u0007bell", "soft hyphen and bell"),
        ("en", "a well-known co-op", "a well-known co-op"),
        ("en", "R&D <b> | [x]", "R & D < b > | [ x ]"),
        ("de", "Das ist z.B. am 3. Mai 1.000,50 Euro.", "Das ist z.B. am 3. Mai 1.000,50 Euro ."),
    ],
)
def test_text_is_normalised_and_tokenised_as_moses_does(lang: str, text: str, tokens: str) -> None:
    pair = pair_cleaner((lang, lang), aggressive_hyphens=False)((text, text)).tokens
    assert pair == (tokens, tokens)


def test_hyphens_are_split_on_request() -> None:
    clean = pair_cleaner(("en", "de"), aggressive_hyphens=True)
    assert clean(("well-known", "E-Mail")).tokens == ("well @-@ known", "E @-@ Mail")


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        (1, 1, None),
        (0, 3, "blank"),
        (3, 0, "blank"),
        (250, 250, None),
        (251, 250, "more than 250 tokens"),
        (250, 251, "more than 250 tokens"),
        (3, 2, None),
        (2, 3, None),
        (4, 2, "more than 1.5 times as long"),
        (2, 4, "more than 1.5 times as long"),
        (16, 10, "more than 1.5 times as long"),
        (15, 10, None),
    ],
)
def test_pairs_are_dropped_as_moses_does(source: int, target: int, reason: str | None) -> None:
    assert reason_to_drop(("x " * source, "y " * target)) == reason
