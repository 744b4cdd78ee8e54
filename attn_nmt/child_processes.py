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
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


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
