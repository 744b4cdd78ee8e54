"""Shared fixtures."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def seed() -> None:
    """Make every test the same on its own and among others."""
    torch.manual_seed(0)
