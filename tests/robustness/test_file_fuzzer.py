"""A sample of damaged files; ``scripts/fuzz.py files`` makes any number."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.fuzz_files import KINDS


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_damaged_files_are_refused_in_a_sentence_or_harmless(number: int, tmp_path: Path) -> None:
    refused = 0
    for seed in range(20):
        try:
            refused += not KINDS[number](tmp_path, random.Random(seed))
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
    assert refused > 5
