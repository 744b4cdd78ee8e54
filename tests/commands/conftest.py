"""A model that has learned a copy task, and what evaluate.sh prints for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commandline import run_command, shared_directory
from support.copy_task import data_bin, trained

__all__ = ["data_bin", "trained"]


@pytest.fixture(scope="session")
def evaluated(data_bin: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What evaluate.sh prints for the test set, which leaves its files in ``trained``."""

    def make(directory: Path) -> None:
        scored = run_command("bash", "scripts/evaluate.sh", trained, data_bin)
        (directory / "stdout").write_text(scored.stdout)

    directory = shared_directory(tmp_path_factory, "evaluated", make)
    return (directory / "stdout").read_text().splitlines()
