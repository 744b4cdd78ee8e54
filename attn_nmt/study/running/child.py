"""Running one command to its end, or stopping it with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event

from attn_nmt.training.launch import die_with

_SECONDS_A_LOOK = 0.2
_SECONDS_TO_STOP = 10.0
_SECONDS_TO_HEAR = 0.5


class Stopped(Exception):
    """The command was stopped because ``stop`` was set."""


def run_child(
    command: Sequence[str], log: Path, *, environment: Mapping[str, str], stop: Event | None
) -> int:
    """Run ``python -m ...`` with its output at the end of ``log``; return its exit status.

    ``python`` is the one that runs this. Whatever ends this function ends the command.

    Raises:
        Stopped: if ``stop`` was set meanwhile.
    """
    with log.open("ab") as output:
        # A group of its own: Ctrl-C then reaches this process only, which stops the group in order.
        process = subprocess.Popen(
            [sys.executable, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            process_group=0,
            preexec_fn=die_with(os.getpid()),
        )
    try:
        return _wait(process, stop)
    finally:
        _end_group(process)


def _wait(process: subprocess.Popen[bytes], stop: Event | None) -> int:
    while stop is None or not stop.is_set():
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(None if stop is None else _SECONDS_A_LOOK)
            # SLURM signals all processes of a job at once: the command may die of what sets `stop`
            # before this process has heard of it.
            if code and stop is not None and stop.wait(_SECONDS_TO_HEAR):
                break
            return code
    raise Stopped


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the command and its own children if it still runs: politely, then not."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
