"""Starting the commands: one takes this process over; several live and die together."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from attn_nmt.command_line import UsageError
from attn_nmt.training.plan import Command

_SECONDS_A_LOOK = 0.1
_SECONDS_TO_STOP = 10.0
_PR_SET_PDEATHSIG = 1


def launch(commands: Sequence[Command]) -> None:
    """Run the commands until all are done; a single one takes over this process.

    Raises:
        UsageError: if one of several fails, or dies; the others are stopped then.
    """
    sys.stdout.flush()
    if len(commands) == 1:
        argv = commands[0].argv
        # Signals then reach the training itself, and nothing is left if it is killed.
        os.execve(argv[0], argv, {**os.environ, **commands[0].environment})
    run_together(commands)


def run_together(commands: Sequence[Command]) -> None:
    """Run the commands side by side.

    An interrupt, or the failure of one, stops all; so does the death of this process, on Linux.

    Raises:
        UsageError: if one leaves with anything but 0.
    """
    processes: list[subprocess.Popen[bytes]] = []
    follow = die_with(os.getpid())
    try:
        for command in commands:
            environment = {**os.environ, **command.environment}
            processes.append(subprocess.Popen(command.argv, env=environment, preexec_fn=follow))
        _wait(processes)
    finally:
        _stop(processes)


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    while True:
        codes = [process.poll() for process in processes]
        for rank, code in enumerate(codes):
            if code:
                raise UsageError(
                    f"All {len(codes)} processes must succeed, but number {rank} left with {code}, "
                    "so the others were stopped; see above."
                )
        if all(code == 0 for code in codes):
            return
        time.sleep(_SECONDS_A_LOOK)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End what still runs: politely, then not."""
    for process in processes:
        process.terminate()  # does nothing to one that has ended
    end = time.monotonic() + _SECONDS_TO_STOP
    for process in processes:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def die_with(parent: int) -> Callable[[], None] | None:
    """Return what makes a new process die with this one, even if this one is killed.

    Left over, it would go on writing checkpoints beside the next start of the same command.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def follow() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return follow
