"""The bits and what they need."""

from __future__ import annotations

import re

import pytest

from attn_nmt.terms import AttentionTerms

ALL = [f"{number:04b}" for number in range(16)]


@pytest.mark.parametrize("bits", ALL)
def test_parse_and_print_are_inverse(bits: str) -> None:
    assert str(AttentionTerms.parse(bits)) == bits


@pytest.mark.parametrize(
    ("bits", "name"),
    [
        ("1000", "query_key"),
        ("0100", "query_position"),
        ("0010", "key_only"),
        ("0001", "position_only"),
    ],
)
def test_each_bit_is_one_term(bits: str, name: str) -> None:
    on = [field for field, enabled in vars(AttentionTerms.parse(bits)).items() if enabled]
    assert on == [name]


@pytest.mark.parametrize("bits", ALL)
def test_terms_say_what_they_project(bits: str) -> None:
    terms = AttentionTerms.parse(bits)
    assert terms.uses_query == ("1" in bits[:2])
    assert terms.uses_key == (bits[0] == "1" or bits[2] == "1")
    assert terms.uses_position == (bits[1] == "1" or bits[3] == "1")


@pytest.mark.parametrize("bits", ["", "111", "11112", "11111", "abcd", "1121", "1111\n", "none"])
def test_anything_but_four_bits_is_refused(bits: str) -> None:
    message = f"`terms` must be four bits, each 0 or 1, such as '1111', but is {bits!r} instead."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        AttentionTerms.parse(bits)
