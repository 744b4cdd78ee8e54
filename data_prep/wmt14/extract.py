"""Taking named files out of a tar archive that may be damaged, or hostile."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from attn_nmt.command_line import UsageError


def extract(archive: Path, members: list[str], folder: Path) -> None:
    """Write the members below ``folder``, under their own paths.

    The whole archive is looked at first: one with a path that leaves the folder, a link or a device
    anywhere in it was not made for us, and nothing of it is used.

    Raises:
        UsageError: if the archive is damaged, holds such an entry, or lacks a member.
    """
    try:
        with tarfile.open(archive, "r:*") as tar:
            found = {}
            for entry in tar:
                _refuse_unsafe(archive, entry)
                # "./training/x" and "training/x" are the same.
                found[str(PurePosixPath(entry.name))] = entry
            for name in members:
                if name not in found or not found[name].isfile():
                    raise UsageError(f"{archive} must hold the file {name}, but it is missing.")
                _write(tar, found[name], folder / name)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.filename not in (None, str(archive)):
            raise
        raise UsageError(
            f"{archive} must be a whole tar archive, but is damaged: {error}."
        ) from error


def _refuse_unsafe(archive: Path, entry: tarfile.TarInfo) -> None:
    path = PurePosixPath(entry.name)
    if path.is_absolute() or ".." in path.parts:
        raise UsageError(f"{archive} must stay in its folder, but holds the path {entry.name}.")
    if not (entry.isfile() or entry.isdir()):
        raise UsageError(
            f"{archive} must hold files and folders only, but {entry.name} is a link or a device."
        )


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(entry)
    assert content is not None, "a file has content"
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
