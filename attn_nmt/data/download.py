"""Fetching the files of a corpus from their public address, or from a mirror."""

from __future__ import annotations

import errno
import shutil
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.request import Request

from attn_nmt.command_line import UsageError
from attn_nmt.progress import Progress

_TIMEOUT = 60  # seconds without data
_MAX_ATTEMPTS = 5
RETRY_DELAY = 2.0  # seconds, times the attempt


class _IncompleteDownloadError(Exception):
    """The connection ended before as many bytes as announced."""


def fetch(name: str, base_url: str, directory: Path, *, mirror: str | None = None) -> Path:
    """Copy or download the file ``name`` into ``directory`` and return its path.

    ``mirror``, another address or a directory, replaces ``base_url``. An interrupted download is
    retried and, where the server supports it, resumed, also by a later call; the file gets its name
    when it is complete.

    Raises:
        UsageError: if the file is not available, or shorter than announced.
    """
    place = (mirror or base_url).rstrip("/")
    if "://" in place:
        return _download(f"{place}/{name}", directory / name)
    source = Path(place) / name
    if not source.is_file():
        raise UsageError(f"--mirror must hold the file {name}, but {source} is missing.")
    return Path(shutil.copyfile(source, directory / name))


def _download(url: str, path: Path) -> Path:
    part = path.with_name(path.name + ".part")
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        try:
            _resume(url, part)
            return part.rename(path)
        except (
            urllib.error.URLError,
            HTTPException,
            OSError,
            _IncompleteDownloadError,
        ) as error:
            if _is_local(error):
                raise
            if attempt == _MAX_ATTEMPTS or _is_permanent(error):
                raise UsageError(
                    f"{url} could not be downloaded ({error}); --mirror takes a directory or "
                    "another address."
                ) from error
            time.sleep(RETRY_DELAY * attempt)
    raise AssertionError("the last attempt returns or raises")


def _is_local(error: Exception) -> bool:
    """True for a full disk or a directory without write permission, where a retry cannot help."""
    if not isinstance(error, OSError) or isinstance(error, urllib.error.HTTPError):
        return False
    return error.filename is not None or error.errno in (errno.ENOSPC, errno.EDQUOT)


def _is_permanent(error: Exception) -> bool:
    """True for an answer that a retry would not change: 404, but not 503."""
    return isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500


def _resume(url: str, part: Path) -> None:
    """Download the rest of the file, or all of it from a server without range requests."""
    offset = part.stat().st_size if part.is_file() else 0
    request = Request(url, headers={"Range": f"bytes={offset}-"} if offset else {})
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if offset and error.code == 416:
            if error.headers.get("Content-Range") == f"bytes */{offset}":
                return None  # an earlier run was killed before it could give the file its name
            # The partial file is longer than the file on the server: it is another one.
            part.unlink()
            return _resume(url, part)
        raise
    with response:
        if response.status != 206:
            offset = 0
        length = response.headers.get("Content-Length")
        total = None if length is None else offset + int(length)
        received = _copy(response, part, offset, total)
    if total is not None and received != total:
        raise _IncompleteDownloadError(f"it must have {total} bytes, but ended after {received}")
    return None


def _copy(response: HTTPResponse, part: Path, offset: int, total: int | None) -> int:
    """Append the response to the partial file; return the size of that."""
    with (
        part.open("ab" if offset else "wb") as file,
        Progress(part.stem, total=total, initial=offset, unit="bytes", scaled=True) as progress,
    ):
        while block := response.read(1 << 16):
            progress.update(file.write(block))
        return file.tell()
