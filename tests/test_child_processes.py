"""Children that end with the block that started them, whenever a signal comes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.commandline import ROOT

# A signal at the first moment of every fork, as seen by the handlers that Python runs there.
_SCRIPT = """
import os, signal, sys
from pathlib import Path
from attn_nmt.child_processes import running
from attn_nmt.command_line import run
from attn_nmt.training.launch import Command, run_together

def with_running():
    with running([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        print("went on", process.pid)

def with_run_together():
    run_together([Command((sys.executable, "-c", "import time; time.sleep(60)"))])

os.register_at_fork(before=lambda: os.kill(os.getpid(), getattr(signal, sys.argv[2])))
run(globals()[sys.argv[1]])
"""


@pytest.mark.parametrize("start", ["with_running", "with_run_together"])
@pytest.mark.parametrize(
    ("name", "code", "word"), [("SIGTERM", 143, "terminated"), ("SIGINT", 130, "interrupted")]
)
def test_a_signal_during_the_fork_is_not_lost(start: str, name: str, code: int, word: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _SCRIPT, start, name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,  # without the signal the child takes longer
    )
    assert (result.returncode, result.stdout, result.stderr) == (code, "", f"{word}\n")
