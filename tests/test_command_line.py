"""How commands exit when something is wrong with their output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.commandline import ROOT

PRINTS = "for _ in range({lines}): print('a line of twenty-two')"
OTHER_PIPE = "r, w = os.pipe(); os.close(r); os.write(w, b'lost')"


def exit_status(body: str, **files: int) -> tuple[int, str]:
    script = f"import os\nfrom attn_nmt.command_line import run\ndef main():\n  {body}\nrun(main)"
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        **files,
    )
    return result.returncode, result.stderr


# Less than Python buffers, and far more than a pipe holds.
@pytest.mark.parametrize("lines", [1, 20_000])
def test_a_command_whose_reader_has_exited_ends_silently(lines: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert exit_status(PRINTS.format(lines=lines), stdout=writer) == (141, "")
    finally:
        os.close(writer)


def test_any_other_broken_pipe_is_an_error(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        assert exit_status(OTHER_PIPE, stdout=out.fileno()) == (1, "error: Broken pipe\n")
