"""Fetching from a directory, and from a server that may be a bad one."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.data import download
from attn_nmt.data.download import fetch

CONTENT = b"sentence\n" * 50_000


class Handler(BaseHTTPRequestHandler):
    """Serves one complete file, one truncated file, and no other."""

    def do_GET(self) -> None:
        if self.path not in ("/files/whole.gz", "/files/cut.gz"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if "whole" in self.path else CONTENT[:1000])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/files"
        running.shutdown()


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again without waiting."""
    monkeypatch.setattr(download, "RETRY_DELAY", 0.0)


def test_a_file_is_copied_from_a_directory(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.gz").write_bytes(CONTENT)
    path = fetch("a.gz", "http://example.invalid", tmp_path, mirror=str(tmp_path / "mirror"))
    assert path == tmp_path / "a.gz"
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("as_mirror", [False, True])
def test_a_file_is_downloaded_from_a_server(tmp_path: Path, server: str, as_mirror: bool) -> None:
    base = "http://example.invalid" if as_mirror else server
    path = fetch("whole.gz", base, tmp_path, mirror=server if as_mirror else None)
    assert path.read_bytes() == CONTENT


def test_a_file_missing_from_the_mirror_is_named(tmp_path: Path) -> None:
    message = f"^--mirror must hold the file a.gz, but {tmp_path / 'a.gz'} is missing.$"
    with pytest.raises(UsageError, match=message):
        fetch("a.gz", "http://example.invalid", tmp_path, mirror=str(tmp_path))


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("none.gz", r"could not be downloaded \(.*404.*\); --mirror takes a directory or .*"),
        (
            "cut.gz",
            r"could not be downloaded \(it must have 450000 bytes, but ended after 1000\); .*",
        ),
    ],
)
def test_a_fault_of_the_server_is_reported_in_one_sentence(
    tmp_path: Path, server: str, name: str, ending: str
) -> None:
    with pytest.raises(UsageError, match=f"^{server}/{name} {ending}$"):
        fetch(name, server, tmp_path)


def test_a_download_that_was_complete_is_not_made_again(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may be killed before it can give the file its name."""
    (tmp_path / "whole.gz.part").write_bytes(CONTENT)

    def answer(request: Request, **_: object) -> NoReturn:
        assert request.headers["Range"] == f"bytes={len(CONTENT)}-"
        headers = Message()
        headers["Content-Range"] = f"bytes */{len(CONTENT)}"
        raise HTTPError(request.full_url, 416, "Range Not Satisfiable", headers, None)

    monkeypatch.setattr("urllib.request.urlopen", answer)
    assert fetch("whole.gz", server, tmp_path).read_bytes() == CONTENT


def test_a_full_disk_is_not_reported_as_a_fault_of_the_server(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no second attempt, and the error is reported as it is."""
    attempts = []

    def full(*ignored: object) -> int:
        attempts.append(1)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download, "_copy", full)
    with pytest.raises(OSError, match="No space left on device"):
        fetch("whole.gz", server, tmp_path)
    assert len(attempts) == 1


def test_a_missing_server_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="^http://127.0.0.1:9/a.gz could not be downloaded"):
        fetch("a.gz", "http://127.0.0.1:9", tmp_path)
