"""A process that has imported PyTorch and fairseq, and forks for every command.

A command takes seconds to start otherwise, most of them for these imports, and so does each that it
starts itself. What is ours a command imports anew, unless the one that started it had imported the
models. So this differs from a real start in what imports print and in variables that are read
before ``main``, such as glibc's; tests of those need :func:`support.commandline.run_command`.

Run as a script, it reads requests and answers with exit statuses, one line of JSON each;
:mod:`support.commandline` sends them.
"""

from __future__ import annotations

import atexit
import importlib
import json
import logging
import os
import re
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_OURS = "attn_nmt"
# Imported by the first optimizer of a process, for a second.
_SLOW = ("torch._dynamo",)
_COMMANDS = ("train", "validate", "generate", "interactive", "hydra_train", "preprocess")
_FIRST_OTHER_DESCRIPTOR = 3


class ForkingPopen(subprocess.Popen):  # type: ignore[type-arg]
    """Popen whose children ``python -m MODULE`` of ours and of fairseq's are forks."""

    def _execute_child(
        self, args: Any, executable: Any, preexec_fn: Any, *others: Any
    ) -> None:  # Python 3.11 and 3.12 call it with these positional arguments
        cwd, env = others[2:4]
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = others[7:13]
        start_new_session = others[-2]
        if not _can_fork(args):
            super()._execute_child(args, executable, preexec_fn, *others)  # type: ignore[misc]
            return
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self.pid = os.fork()
        if not self.pid:
            _become(
                args[1:], (p2cread, c2pwrite, errwrite), cwd, env, preexec_fn, start_new_session
            )
        self._child_created = True
        self._close_pipe_fds(  # type: ignore[attr-defined]
            p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite
        )


def _can_fork(args: Any) -> bool:
    if isinstance(args, str) or args[0] != sys.executable:
        return False
    name = args[2] if args[1] == "-m" else args[1]
    return re.match(rf"{_OURS}\b|fairseq_cli\.|fairseq-", name) is not None


def _become(
    words: Sequence[str],
    descriptors: Sequence[int],
    cwd: Any,
    env: Any,
    preexec_fn: Callable[[], None] | None,
    start_new_session: bool,
) -> None:
    """Make of a fork what a new interpreter with these arguments would be, and end with it."""
    status = 1
    try:
        for number, descriptor in enumerate(descriptors):
            if descriptor >= 0:
                os.dup2(descriptor, number)
        os.closerange(_FIRST_OTHER_DESCRIPTOR, 1024)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        if start_new_session:
            os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if preexec_fn is not None:
            preexec_fn()
        if cwd is not None:
            os.chdir(cwd)
        if env is not None:
            os.environ.clear()
            os.environ.update(env)
        atexit._clear()  # what the parent wants to do at its exit
        status = _run(words)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _run(words: Sequence[str]) -> int:
    """Run a module or one of fairseq's commands, and what it has left for its exit."""
    if f"{_OURS}.models" not in sys.modules:  # fairseq takes each of them only once
        for name in [name for name in sys.modules if name.partition(".")[0] == _OURS]:
            del sys.modules[name]
    for handler in logging.root.handlers:  # that of fairseq-train, which was imported first
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stdout)
    sys.path[0] = str(Path.cwd())
    try:
        if words[0] == "-m":
            sys.argv = list(words[1:])
            sys.modules.pop(words[1], None)
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = list(words)
            module = words[0].replace("fairseq-", "fairseq_cli.").replace("-", "_")
            sys.modules.pop(module, None)
            importlib.import_module(module).cli_main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join()
    atexit._run_exitfuncs()
    return status


def _serve() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # fairseq logs to standard output when it is imported
    for name in (*_SLOW, *(f"fairseq_cli.{command}" for command in _COMMANDS)):
        importlib.import_module(name)
    subprocess.Popen = ForkingPopen  # type: ignore[misc]
    for line in sys.stdin:
        request = json.loads(line)
        with (
            Path(request["stdin"]).open("rb") as given,
            Path(request["stdout"]).open("ab") as output,
            Path(request["stderr"]).open("ab") as errors,
        ):
            process = ForkingPopen(
                [sys.executable, *request["words"]],
                stdin=given,
                stdout=output,
                stderr=errors,
                cwd=request["cwd"],
                env=request["env"],
            )
        print(process.wait(), file=replies, flush=True)


if __name__ == "__main__":
    _serve()
