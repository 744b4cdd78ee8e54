"""Starting the commands, showing their progress, and stopping them together."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from attn_nmt.child_processes import die_with, interrupts_delayed, stop
from attn_nmt.command_line import UsageError
from attn_nmt.training.command import Command
from attn_nmt.training.display import TrainingDisplay

_POLL_INTERVAL = 0.1


def launch(commands: Sequence[Command], display: TrainingDisplay | None = None) -> None:
    """Run the commands until all have finished.

    Their output goes to the log of the display or, without one, to where that of this process
    goes; a single command then replaces the process.

    Raises:
        UsageError: if one fails; the others are stopped then.
        OSError: if there can be no log.
    """
    sys.stdout.flush()
    if display is not None:
        with display:
            run_together(commands, display)
        return
    if len(commands) == 1:
        argv = commands[0].argv
        # So that signals reach the training itself, and no parent outlives it.
        os.execve(argv[0], argv, {**os.environ, **commands[0].environment})
    run_together(commands)


def is_stdout(log: Path) -> bool:
    """Return whether the output of this process goes to that file already, as in ``study run``."""
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), log.stat())
    except (OSError, ValueError):
        return False


def run_together(commands: Sequence[Command], display: TrainingDisplay | None = None) -> None:
    """Run the commands side by side.

    An interrupt or the failure of one stops all; on Linux, so does the death of this process.

    Raises:
        UsageError: if one exits with anything but 0.
    """
    processes: list[subprocess.Popen[bytes]] = []
    preexec = die_with(os.getpid())
    with ExitStack() as stack:
        output = None
        if display is not None:
            output = stack.enter_context(display.log.open("ab", buffering=0))
        try:
            for command in commands:
                if output is not None:
                    output.write(f"$ {shlex.join(command.argv)}\n".encode())
                environment = {**os.environ, **command.environment}
                with interrupts_delayed():
                    process = subprocess.Popen(
                        command.argv,
                        env=environment,
                        preexec_fn=preexec,
                        stdout=output,
                        stderr=None if output is None else subprocess.STDOUT,
                    )
                    processes.append(process)
            _wait(processes, display)
        finally:
            stop(processes)


def _wait(processes: Sequence[subprocess.Popen[bytes]], display: TrainingDisplay | None) -> None:
    while True:
        codes = [process.poll() for process in processes]
        if display is not None:
            display.follow()
        for rank, code in enumerate(codes):
            if code:
                stop(processes)  # before their last words are read
                raise UsageError(_failure(len(codes), rank, code, display))
        if all(code == 0 for code in codes):
            return
        time.sleep(_POLL_INTERVAL)


def _failure(count: int, rank: int, code: int, display: TrainingDisplay | None) -> str:
    sentence = (
        f"All {count} processes must succeed, but number {rank} exited with {code}, so the others "
        "were stopped; see above."
    )
    if display is None:
        return sentence
    stopped = f"Number {rank} of {count} processes failed; all were stopped.\n" if count > 1 else ""
    return f"{display.reason(code)}\n{stopped}The full log is in {display.log}."
