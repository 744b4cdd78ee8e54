"""Several processes are stopped together; a single command replaces the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.training.command import Command
from attn_nmt.training.launch import run_together

ROOT = Path(__file__).parents[2]
# One write, newline included: the lines of two processes share a pipe.
FOREVER = "import sys, time; sys.stdout.write('up\\n'); sys.stdout.flush(); time.sleep(600)"
# Starts two such processes through the package, as train.sh does.
PARENT = f"""
import sys
from attn_nmt.command_line import run
from attn_nmt.training.launch import launch
from attn_nmt.training.command import Command
run(lambda: launch([Command((sys.executable, "-c", {FOREVER!r}))] * 2))
"""


def python(code: str, **environment: str) -> Command:
    return Command((sys.executable, "-c", code), environment)


def test_several_commands_run_until_all_have_finished(tmp_path: Path) -> None:
    write = "import os, pathlib; pathlib.Path(os.environ['NAME']).touch()"
    run_together([python(write, NAME=str(tmp_path / name)) for name in "ab"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize(
    ("failing", "code"),
    [("import sys; sys.exit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9)],
)
def test_the_failure_of_one_stops_the_others(tmp_path: Path, failing: str, code: int) -> None:
    path = f"pathlib.Path({str(tmp_path / 'pid')!r})"
    note = f"import os, pathlib; {path}.write_text(str(os.getpid()))"
    wait = f"""
import pathlib, time
while not ({path}.exists() and {path}.stat().st_size):
    time.sleep(0.01)
"""
    with pytest.raises(UsageError) as error:
        run_together([python(f"{note}; {FOREVER}"), python(wait + failing)])
    assert str(error.value) == (
        f"All 2 processes must succeed, but number 1 exited with {code}, so the others were "
        "stopped; see above."
    )
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_none_outlives_the_process_that_started_them(number: int, status: int) -> None:
    """Even if that is killed; the pipe is closed only when no process can write to it."""
    if number == signal.SIGKILL and not sys.platform.startswith("linux"):
        pytest.skip("only Linux signals the death of the parent")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert [parent.stdout.readline() for _ in range(2)] == [b"up\n"] * 2
    parent.send_signal(number)
    parent.communicate(timeout=120)
    assert parent.returncode == status


def test_a_single_command_replaces_the_process() -> None:
    code = """
import os, sys
from attn_nmt.training.launch import launch
from attn_nmt.training.command import Command
print(os.getpid())
launch([Command((sys.executable, "-c", "import os; print(os.getpid(), os.environ['MORE'])"),
                {"MORE": "more"})])
print("never")
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    pid, output = result.stdout.splitlines()
    assert output == f"{pid} more"
