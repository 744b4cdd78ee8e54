"""One training at a time in a SAVE_DIR: two would mix their checkpoints without a word.

The lock says how many updates the training has made, too, so that other processes can show it more
often than the log does.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import time
from pathlib import Path

from attn_nmt.command_line import UsageError

FILE_NAME = ".training.lock"
_PATIENCE = 2.0
"""Seconds for a training that has just been killed to end."""
_WIDTH = 200

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
    # It stays open: POSIX releases the lock when the file is closed.
    _held[directory.resolve()] = descriptor
    os.ftruncate(descriptor, 0)
    _write(descriptor)


def report(directory: Path, updates: int) -> None:
    """Write the number of updates into the lock, if this process holds it."""
    descriptor = _held.get(directory.resolve())
    if descriptor is not None:
        _write(descriptor, updates=updates)


def reported(directory: Path) -> int | None:
    """Return the number of updates that the last training in ``directory`` reported.

    Not for the process that trains: closing the file would release its lock.
    """
    try:
        updates = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))["updates"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return updates if isinstance(updates, int) else None


def _write(descriptor: int, **values: int) -> None:
    owner = {"pid": os.getpid(), "host": socket.gethostname(), **values}
    # In one go and always as long, so that no reader sees half of it.
    os.pwrite(descriptor, json.dumps(owner).ljust(_WIDTH).encode(), 0)


def require_free(directory: Path) -> None:
    """Raise UsageError if a training uses ``directory``, which may not exist yet."""
    if (directory / FILE_NAME).exists():
        descriptor = _lock(directory)
        if descriptor is not None:
            os.close(descriptor)


def require_writable(directory: Path, name: str) -> None:
    """Raise UsageError if ``directory``, which may not exist yet, cannot be written.

    ``name`` is what the user calls it. Nothing is created.
    """
    existing = directory.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise UsageError(f"{name} must be a directory, but {existing} is not one.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f"{name} must be writable, but {existing} is not.")


def _lock(directory: Path) -> int | None:
    """Return the open and locked file; None where the file system has no locks."""
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock_within(descriptor, _PATIENCE)
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


def _lock_within(descriptor: int, seconds: float) -> None:
    """Lock the file, which another process may hold for that long."""
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN) or time.monotonic() > end:
                raise
        time.sleep(0.05)


def _describe(owner: str) -> str:
    try:
        values = json.loads(owner)
        return f"process {values['pid']} on {values['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
