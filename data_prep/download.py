"""Getting the files of a corpus: from its public address, or from a mirror."""

from __future__ import annotations

import errno
import shutil
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.request import Request

from tqdm import tqdm

from attn_nmt.command_line import UsageError

_SECONDS_WITHOUT_DATA = 60
_ATTEMPTS = 5
SECONDS_BETWEEN_ATTEMPTS = 2.0


class _BrokeOffError(Exception):
    """The server announced more than it sent."""


def fetch(name: str, base_url: str, folder: Path, *, mirror: str | None = None) -> Path:
    """Put the file ``name`` into ``folder`` and return its path.

    ``mirror`` takes the place of ``base_url``: another address, or a folder. A download that breaks
    off is tried again, from where it broke off if the server can do that, as is one that an
    earlier run left unfinished; the file takes its name when it is whole.

    Raises:
        UsageError: if the file cannot be had, or arrives shorter than announced.
    """
    place = (mirror or base_url).rstrip("/")
    if "://" in place:
        return _download(f"{place}/{name}", folder / name)
    source = Path(place) / name
    if not source.is_file():
        raise UsageError(f"--mirror must hold the file {name}, but {source} is missing.")
    return Path(shutil.copyfile(source, folder / name))


def _download(url: str, path: Path) -> Path:
    part = path.with_name(path.name + ".part")
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _go_on(url, part)
            return part.rename(path)
        except (urllib.error.URLError, HTTPException, OSError, _BrokeOffError) as error:
            if _is_ours(error):
                raise
            if attempt == _ATTEMPTS or _is_final(error):
                raise UsageError(
                    f"{url} could not be downloaded ({error}); --mirror takes a folder or another "
                    "address."
                ) from error
            time.sleep(SECONDS_BETWEEN_ATTEMPTS * attempt)
    raise AssertionError("the last attempt returns or raises")


def _is_ours(error: Exception) -> bool:
    """True for a full disk, or a folder that may not be written: no server can mend that."""
    if not isinstance(error, OSError) or isinstance(error, urllib.error.HTTPError):
        return False
    return error.filename is not None or error.errno in (errno.ENOSPC, errno.EDQUOT)


def _is_final(error: Exception) -> bool:
    """True for what the server will say again: 404, but not 503."""
    return isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500


def _go_on(url: str, part: Path) -> None:
    """Download what is missing of the file, or all of it from a server that cannot skip."""
    have = part.stat().st_size if part.is_file() else 0
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=_SECONDS_WITHOUT_DATA)
    except urllib.error.HTTPError as error:
        if have and error.code == 416:
            # The part is no beginning of the file that lies there now.
            part.unlink()
            return _go_on(url, part)
        raise
    with response:
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        received = _copy(response, part, have, total)
    if total is not None and received != total:
        raise _BrokeOffError(f"it must have {total} bytes, but broke off after {received}")
    return None


def _copy(response: HTTPResponse, part: Path, have: int, total: int | None) -> int:
    with (
        part.open("ab" if have else "wb") as file,
        tqdm(
            total=total, initial=have, unit="B", unit_scale=True, desc=part.stem, mininterval=1
        ) as bar,
    ):
        while block := response.read(1 << 16):
            bar.update(file.write(block))
        return file.tell()
