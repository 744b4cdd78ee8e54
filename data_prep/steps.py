"""Steps that are done once: what an interrupted run has finished, the next one takes over."""

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
    """The steps of one preparation, in a folder that outlives a run.

    A step is skipped if it has been finished in this folder with the same settings, and all steps
    before it are unchanged too. An unfinished one is done again from its beginning.
    """

    def __init__(self, folder: Path, total: int) -> None:
        self.folder, self.total = folder, total
        self._number, self._before = 0, ""
        self._file = folder / FILE_NAME
        text = self._file.read_text(encoding="utf-8") if self._file.is_file() else "{}"
        self._finished: dict[str, str] = json.loads(text)

    def run(
        self, name: str, do: Callable[[], object], *, makes: list[str], settings: object
    ) -> None:
        """Do a step, unless it is done.

        Args:
            makes: files and folders below the folder, removed before the step begins.
            settings: what its result depends on besides the steps before it; JSON, paths as text.
        """
        self._number += 1
        mark = json.dumps([self._before, name, settings], sort_keys=True, default=str)
        self._before = hashlib.sha256(mark.encode()).hexdigest()
        paths = [self.folder / made for made in makes]
        done = self._finished.get(name) == self._before and all(path.exists() for path in paths)
        state = " (done before)" if done else ""
        print(f"[{self._number}/{self.total}] {name}{state}", file=sys.stderr, flush=True)
        if done:
            return
        self._forget(name)
        for path in paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        start = time.monotonic()
        do()
        self._finished[name] = self._before
        self._write()
        print(f"      {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)

    def _forget(self, name: str) -> None:
        if self._finished.pop(name, None) is not None:
            self._write()

    def _write(self) -> None:
        scratch = self._file.with_suffix(".new")
        scratch.write_text(json.dumps(self._finished, indent=2), encoding="utf-8")
        scratch.replace(self._file)
