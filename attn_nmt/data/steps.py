"""Resumable steps: what an interrupted run finished, the next one does not repeat."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

FILE_NAME = "steps.json"


class Steps:
    """The steps of one preparation, in a directory that outlives a run.

    A step is skipped if it was finished in this directory with the same settings and all steps
    before it are unchanged. An unfinished step is repeated from its beginning; one that fails
    leaves nothing.
    """

    def __init__(self, directory: Path, total: int) -> None:
        self.directory, self.total = directory, total
        self._number, self._fingerprint = 0, ""
        self._file = directory / FILE_NAME
        text = self._file.read_text(encoding="utf-8") if self._file.is_file() else "{}"
        self._finished: dict[str, str] = json.loads(text)

    def run(
        self, name: str, action: Callable[[], object], *, outputs: list[str], settings: object
    ) -> None:
        """Run a step unless it is finished.

        Args:
            outputs: files and directories below the directory, removed before the step begins.
            settings: what its result depends on besides the steps before it; JSON, paths as text.
        """
        self._number += 1
        state = json.dumps([self._fingerprint, name, settings], sort_keys=True, default=str)
        self._fingerprint = hashlib.sha256(state.encode()).hexdigest()
        paths = [self.directory / output for output in outputs]
        is_finished = self._finished.get(name) == self._fingerprint and all(
            path.exists() for path in paths
        )
        suffix = " (done before)" if is_finished else ""
        print(f"[{self._number}/{self.total}] {name}{suffix}", file=sys.stderr, flush=True)
        if is_finished:
            return
        if self._finished.pop(name, None) is not None:
            self._write()
        _remove(paths)
        start = time.monotonic()
        try:
            action()
        except BaseException:
            _remove(paths)
            raise
        self._finished[name] = self._fingerprint
        self._write()
        print(f"      {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)

    def _write(self) -> None:
        scratch = self._file.with_suffix(".new")
        scratch.write_text(json.dumps(self._finished, indent=2), encoding="utf-8")
        scratch.replace(self._file)


def _remove(paths: list[Path]) -> None:
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
