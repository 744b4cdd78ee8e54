"""Child processes that end with this one, even if it is killed: on Linux, by prctl.

A child that survived would keep writing beside the next run of the same command.

``python -m attn_nmt.child_processes MODULE ...`` runs a module whose own children, such as the
workers of fairseq-preprocess, end with it.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

_PR_SET_PDEATHSIG = 1
_STOP_TIMEOUT = 10.0


def die_with(parent: int) -> Callable[[], None] | None:
    """Return the ``preexec_fn`` that lets a child be killed when its parent dies; None elsewhere.

    The parent is the thread that starts the child, so that has to live as long.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def preexec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before prctl
            os._exit(1)

    return preexec


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a child that ends at the latest with the block, by SIGTERM and then by SIGKILL.

    Args:
        command: its words.
        options: of ``subprocess.Popen``, besides ``preexec_fn``.

    Raises:
        OSError: if it cannot be started.
    """
    with ExitStack() as stack:
        with interrupts_delayed():
            process = subprocess.Popen(command, preexec_fn=die_with(os.getpid()), **options)
            stack.callback(stop, [process])
        yield process


def stop(processes: Sequence[subprocess.Popen[Any]]) -> None:
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


@contextmanager
def interrupts_delayed() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until the end of the block.

    A child must be started in such a block if it has a ``preexec_fn``: the process then forks with
    Python's fork handlers, and what a signal raises in one of them is ignored. Python delivers
    signals to the main thread only, so in other threads there is nothing to delay.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def handler(signum: int, frame: FrameType | None) -> None:
        received.append(signum)

    # An ignored signal stays so, since a child inherits that.
    original = {
        number: signal.signal(number, handler)
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, old_handler in original.items():
            signal.signal(number, old_handler)
        if received:
            signal.raise_signal(received[0])


def bind_forks() -> None:
    """Let every process that is forked from now on be killed when its parent dies."""
    parents: list[int] = []

    def bind() -> None:
        preexec = die_with(parents.pop())
        if preexec is not None:
            preexec()

    os.register_at_fork(
        before=lambda: parents.append(os.getpid()),
        after_in_parent=parents.clear,
        after_in_child=bind,
    )


def is_running(pid: int) -> bool:
    """Return whether this machine has a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


def command(module: str) -> list[str]:
    """Return the words that run ``python -m MODULE`` with its forks bound."""
    return [sys.executable, "-m", __name__, module]


if __name__ == "__main__":
    bind_forks()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
