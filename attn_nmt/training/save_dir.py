"""One training at a time in a SAVE_DIR: two would mix their checkpoints without a word."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
from pathlib import Path

from attn_nmt.command_line import UsageError

FILE_NAME = ".training.lock"

logger = logging.getLogger(__name__)
_held: dict[Path, int] = {}


def acquire(directory: Path) -> None:
    """Lock ``directory`` until this process ends, however it ends.

    The lock is one of POSIX, which children do not inherit and network file systems share.

    Raises:
        UsageError: if another process holds it, with its number and machine.
    """
    if directory.resolve() in _held:
        return
    descriptor = _lock(directory)
    if descriptor is None:
        return
    owner = json.dumps({"pid": os.getpid(), "host": socket.gethostname()})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, owner.encode(), 0)
    # It stays open: POSIX releases the lock when the file is closed.
    _held[directory.resolve()] = descriptor


def require_free(directory: Path) -> None:
    """Raise UsageError if a training uses ``directory``, which may not exist yet."""
    if (directory / FILE_NAME).exists():
        descriptor = _lock(directory)
        if descriptor is not None:
            os.close(descriptor)


def _lock(directory: Path) -> int | None:
    """Return the open and locked file; None where the file system has no locks."""
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(descriptor, 1000, 0).decode(errors="replace")
        os.close(descriptor)
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise UsageError(
                f"SAVE_DIR must be used by one training at a time, but {directory} is used by "
                f"{_describe(owner)}."
            ) from None
        logger.warning(f"cannot lock {directory}: {error.strerror}; do not train twice in it")
        return None
    return descriptor


def _describe(owner: str) -> str:
    try:
        values = json.loads(owner)
        return f"process {values['pid']} on {values['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
