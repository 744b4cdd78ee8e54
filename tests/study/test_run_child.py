"""A command runs to its end, or ends with everything that it started."""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Event, Thread

import pytest

from attn_nmt.study.running.child import Stopped, run_child

WITH_A_CHILD = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
child.wait()
"""


def python(code: str) -> list[str]:
    return ["python", "-c", code]


def is_running(pid: int) -> bool:
    """Whether it runs; one that has ended, but that nobody asked about, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_output_and_errors_go_to_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    code = "import os, sys; print(os.environ['NEW']); print('wrong', file=sys.stderr); sys.exit(3)"
    assert run_child(python(code), log, environment={"NEW": "value"}, stop=None) == 3
    assert log.read_text().splitlines()[0] == "before"
    assert sorted(log.read_text().splitlines()[1:]) == ["value", "wrong"]
    assert "NEW" not in os.environ


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="only Linux tells it in /proc")
def test_stopping_ends_what_the_command_started(tmp_path: Path) -> None:
    log, stop = tmp_path / "log", Event()

    def stop_when_started() -> None:
        while not (log.is_file() and log.read_text().endswith("\n")):
            time.sleep(0.01)
        stop.set()

    waiting = Thread(target=stop_when_started)
    waiting.start()
    with pytest.raises(Stopped):
        run_child(python(WITH_A_CHILD), log, environment={}, stop=stop)
    waiting.join()
    grandchild = int(log.read_text())
    while is_running(grandchild):  # its parent is gone already
        time.sleep(0.01)
