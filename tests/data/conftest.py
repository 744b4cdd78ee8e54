"""A small mirror of WMT14, in a directory and behind a bad server, and what is prepared from it."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.commandline import shared_directory
from support.wmt14_mirror import FLAGS, contents, make, pack

from attn_nmt.data import pipeline, wmt14_en2de
from attn_nmt.data.lines import Languages


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("mirror"), contents())


@pytest.fixture(scope="session")
def prepared(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """WMT14 by the real command."""
    return shared_directory(tmp_path_factory, "wmt14", lambda out_dir: print(make(out_dir, mirror)))


@pytest.fixture
def without_preprocess(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out fairseq-preprocess, which takes seconds to import, where data-bin is not read."""

    def binarise(stage: Path, workers: int, langs: Languages) -> None:
        (stage / "data-bin").mkdir()
        (stage / "data-bin" / f"dict.{langs[0]}.txt").write_text("ba 1\n")

    monkeypatch.setattr(pipeline, "binarise", binarise)


@pytest.fixture
def prepare_text(monkeypatch: pytest.MonkeyPatch, without_preprocess: None) -> Callable[..., None]:
    """Prepares WMT14 in this process, from a mirror to subwords."""

    def run(out_dir: Path, mirror: object, *flags: object) -> None:
        words = ["command", out_dir, "--mirror", mirror, *FLAGS, *flags]
        monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        wmt14_en2de.main()

    return run


class Dropping(SimpleHTTPRequestHandler):
    """Sends 3,000 bytes at a time and drops the connection; resumes from where it is asked to."""

    def do_GET(self) -> None:
        data = Path(self.translate_path(self.path)).read_bytes()
        start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : start + 3000])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(mirror: Path) -> Iterator[str]:
    handler = functools.partial(Dropping, directory=str(mirror))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
