"""What a command starts ends with it, even if it is killed, and the next run clears up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commandline import BIN, ROOT, run_command

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux signals the death of the parent"
)


def start(*command: object) -> subprocess.Popen[bytes]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
    )


def mentioning(text: str) -> list[int]:
    """Return the processes with ``text`` in their command line."""
    found = []
    for directory in Path("/proc").iterdir():
        try:
            if directory.name.isdecimal() and text in (directory / "cmdline").read_text():
                found.append(int(directory.name))
        except (OSError, UnicodeDecodeError):  # it has ended
            continue
    return [pid for pid in found if pid != os.getpid()]


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def kill_in(process: subprocess.Popen[bytes], place: Path, child: str) -> None:
    """Kill a command while a child of it works in ``place``, and wait for the child's end."""
    children: list[int] = []

    def has_started() -> bool:
        found = mentioning(str(place))
        children.extend(pid for pid in found if child in " ".join(commands_of(pid)))
        return bool(children)

    wait_until(has_started)
    for pid in children:
        os.kill(pid, signal.SIGSTOP)  # or it could come to its own end in the time given below
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not mentioning(str(place)), seconds=60.0)


def commands_of(pid: int) -> list[str]:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_text().split("\0")
    except OSError:
        return []


def test_a_preparation_that_was_killed_leaves_no_process(tmp_path: Path) -> None:
    words = ("bash", "data_prep/prepare_cldr_en2de.sh", tmp_path / "corpus")
    words += ("--train-pairs", "3000", "--bpe-merges", "200", "--workers", "2")
    kill_in(start(*words), tmp_path, "fairseq_cli.preprocess")
    run_command(*words)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_an_evaluation_that_was_killed_leaves_no_process_and_no_files(
    trained: Path, data_bin: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint_best.pt"
    checkpoint.write_bytes((trained / "checkpoint_best.pt").read_bytes())
    foreign = tmp_path / f".evaluation-test.other-{socket.gethostname()}.1"
    foreign.mkdir()
    words = ("bash", "scripts/evaluate.sh", tmp_path, data_bin)
    kill_in(start(*words), tmp_path, "fairseq_cli.generate")
    assert len(list(tmp_path.glob(".evaluation-*"))) == 2
    run_command(*words)
    assert {path.name for path in tmp_path.iterdir()} == {
        checkpoint.name,
        foreign.name,
        "evaluation-test",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")
def test_a_mount_point_is_refused_before_any_work(tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path]).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        words = ("bash", "data_prep/prepare_cldr_en2de.sh", tmp_path)
        refused = run_command(*words, check=False)
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        f"error: OUT_DIR must not be a mount point, but {tmp_path} is one; name a directory in it."
    )
