"""Getting the files of a corpus: from its public address, or from a mirror."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tqdm import tqdm

from attn_nmt.command_line import UsageError

_SECONDS_WITHOUT_DATA = 60


def fetch(name: str, base_url: str, folder: Path, *, mirror: str | None = None) -> Path:
    """Put the file ``name`` into ``folder`` and return its path.

    ``mirror`` takes the place of ``base_url``: another address, or a folder.

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
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS_WITHOUT_DATA) as response:
            received = _copy(response, path)
            announced = response.headers.get("Content-Length")
    except (urllib.error.URLError, HTTPException, TimeoutError) as error:
        raise UsageError(
            f"{url} could not be downloaded ({error}); --mirror takes a folder or another address."
        ) from error
    if announced is not None and received != int(announced):
        raise UsageError(f"{url} must have {announced} bytes, but broke off after {received}.")
    return path


def _copy(response: HTTPResponse, path: Path) -> int:
    size = int(response.headers.get("Content-Length", 0)) or None
    with (
        path.open("wb") as file,
        tqdm(total=size, unit="B", unit_scale=True, desc=path.name) as bar,
    ):
        while block := response.read(1 << 16):
            bar.update(file.write(block))
        return file.tell()
