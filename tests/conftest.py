"""Shared fixtures."""

from __future__ import annotations

import signal
from pathlib import Path

import hypothesis
import pytest
import torch

# On a busy machine any example may take its time.
hypothesis.settings.register_profile("without deadline", deadline=None)
hypothesis.settings.load_profile("without deadline")

_TESTS = Path(__file__).parent
_CORE = (_TESTS / "test_terms.py", _TESTS / "functional", _TESTS / "modules")

# A shell lets what it starts in the background ignore Ctrl-C, and so would every command here.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of what imports without fairseq."""
    for item in items:
        if any(item.path.is_relative_to(place) for place in _CORE):
            item.add_marker("core")


@pytest.fixture(autouse=True)
def seed() -> None:
    """Make every test the same on its own and among others."""
    torch.manual_seed(0)
