"""Files that are created atomically."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a new file that replaces ``path`` when the block has succeeded.

    Until then a file at ``path`` is unchanged. If the block fails, the new file is removed; if the
    process is killed, it remains, under a name that begins with a dot.

    Raises:
        OSError: if the directory is missing or not writable, or its disk is full.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())  # the content must reach the disk before the new name
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
