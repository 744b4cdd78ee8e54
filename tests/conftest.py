"""Shared fixtures."""

from __future__ import annotations

import signal

import pytest
import torch

# A shell lets what it starts in the background ignore Ctrl-C, and so would every command here.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def seed() -> None:
    """Make every test the same on its own and among others."""
    torch.manual_seed(0)
