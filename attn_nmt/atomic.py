"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a new file beside ``path``, which takes its place when the block is done.

    Until then a file at ``path`` stays as it is. If the block fails, the new file is removed; if
    the process is killed, it stays behind under a name that begins with a dot.

    Raises:
        OSError: if the folder is missing, may not be written, or its disk is full.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())  # the new name must not reach the disk before the content
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
