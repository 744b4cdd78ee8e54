"""The study's command line, called in this process."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

import pytest

from attn_nmt.study.__main__ import main

Study = Callable[..., str]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Study:
    """Run a command line, with more words after it, and return what it prints."""

    def run(line: str, *words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["study", *shlex.split(line), *map(str, words)])
        main()
        return capsys.readouterr().out

    return run
