"""Files that are created atomically, and what killed processes leave of them."""

from __future__ import annotations

import glob
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attn_nmt.child_processes import is_running


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a new file that replaces ``path`` when the block has succeeded.

    Until then a file at ``path`` is unchanged. If the block fails, the new file is removed; if the
    process is killed, it remains, under a name that begins with a dot, until the next process on
    this machine replaces the same file.

    Raises:
        OSError: if the directory is missing or not writable, or its disk is full.
    """
    unfinished = unfinished_path(path)
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())  # the content must reach the disk before the new name
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def unfinished_path(path: Path) -> Path:
    """Return where this process can make ``path``, after removing what killed processes left.

    It is in the same directory, so that it can be renamed. Its name holds machine and process:
    other machines may see the directory too, and their processes may be running.
    """
    prefix = f".{path.name}.{socket.gethostname()}."
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        pid = left.name.removeprefix(prefix)
        if pid.isdecimal() and not is_running(int(pid)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
    return path.with_name(f"{prefix}{os.getpid()}")
