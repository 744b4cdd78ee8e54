"""Starting the commands: one replaces this process; several are stopped together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from attn_nmt.child_processes import die_with
from attn_nmt.command_line import UsageError
from attn_nmt.training.command import Command

_POLL_INTERVAL = 0.1
_STOP_TIMEOUT = 10.0


def launch(commands: Sequence[Command]) -> None:
    """Run the commands until all have finished; a single one replaces this process.

    Raises:
        UsageError: if one of several fails; the others are stopped then.
    """
    sys.stdout.flush()
    if len(commands) == 1:
        argv = commands[0].argv
        # So that signals reach the training itself, and no parent outlives it.
        os.execve(argv[0], argv, {**os.environ, **commands[0].environment})
    run_together(commands)


def run_together(commands: Sequence[Command]) -> None:
    """Run the commands side by side.

    An interrupt or the failure of one stops all; on Linux, so does the death of this process.

    Raises:
        UsageError: if one exits with anything but 0.
    """
    processes: list[subprocess.Popen[bytes]] = []
    preexec = die_with(os.getpid())
    try:
        for command in commands:
            environment = {**os.environ, **command.environment}
            processes.append(subprocess.Popen(command.argv, env=environment, preexec_fn=preexec))
        _wait(processes)
    finally:
        _stop(processes)


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    while True:
        codes = [process.poll() for process in processes]
        for rank, code in enumerate(codes):
            if code:
                raise UsageError(
                    f"All {len(codes)} processes must succeed, but number {rank} exited with "
                    f"{code}, so the others were stopped; see above."
                )
        if all(code == 0 for code in codes):
            return
        time.sleep(_POLL_INTERVAL)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Terminate what still runs, and kill what does not end in time."""
    for process in processes:
        process.terminate()  # no effect on one that has ended
    end = time.monotonic() + _STOP_TIMEOUT
    for process in processes:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
