"""Which term strings a test runs over, and block sizes small enough for the loops."""

from __future__ import annotations

import pytest

from attn_nmt.functional import cumulative, windows

# One per backend and way of summing: a uniform mean, a weighted mean, one table of energies, two
# position terms in one product, position and key in the bias, content alone, all.
REPRESENTATIVE_TERMS = ("0000", "0010", "0001", "0101", "0110", "1000", "1111")


def patch_block_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut sequences of a few tokens into several blocks, as long ones are."""
    monkeypatch.setattr(windows, "_MIN_BLOCK", 2)
    monkeypatch.setattr(cumulative, "_CHUNK", 3)
    monkeypatch.setattr(cumulative, "_SUM_BLOCK", 2)
