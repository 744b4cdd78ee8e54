"""How commands exit when something is wrong with their output."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from support.commandline import ROOT

from attn_nmt.command_line import _EXTRAS
from attn_nmt.version import __version__

BARE = {**os.environ, "PYTHONPATH": str(ROOT)}
PRINTS = "for _ in range({lines}): print('a line of twenty-two')"
OTHER_PIPE = "r, w = os.pipe(); os.close(r); os.write(w, b'lost')"


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("-m", "attn_nmt", "flags"), "torch"),
        (("-m", "attn_nmt", "study", "costs"), "sacrebleu"),
        (("-m", "attn_nmt.study", "costs"), "sacrebleu"),
        (("-m", "attn_nmt", "benchmark", "goals"), "torch"),
        (("scripts/benchmark.py", "goals"), "torch"),
        (("scripts/average_checkpoints.py",), "numpy"),
        (("-m", "attn_nmt", "train", "arch", "data", "run"), "numpy"),
    ],
)
def test_a_missing_package_is_named_in_one_sentence(words: tuple[str, ...], missing: str) -> None:
    # -S leaves out site-packages, and so every package but this one.
    command = [sys.executable, "-S", *words]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=BARE)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: {missing} must be installed for this command, but is not; attn-nmt doctor lists "
        "what is missing, and scripts/setup.sh installs it.\n"
    )


@pytest.mark.parametrize(
    ("missing", "installs"),
    [
        ("sacremoses", "pip install 'attn_nmt[data]'"),
        ("matplotlib", "pip install 'attn_nmt[study]'"),
        ("omegaconf", "pip install 'attn_nmt[fairseq]'"),
        ("fairseq", "pip install --no-deps --no-build-isolation fairseq-fixed"),
        ("torch", "pip install torch"),
    ],
)
def test_an_installed_package_names_no_script_of_the_checkout(
    tmp_path: Path, missing: str, installs: str
) -> None:
    shutil.copytree(ROOT / "attn_nmt", tmp_path / "attn_nmt")
    script = f"from attn_nmt.command_line import run\nrun(lambda: __import__({missing!r}))"
    result = subprocess.run(
        [sys.executable, "-S", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert result.stderr == (
        f"error: {missing} must be installed for this command, but is not; attn-nmt doctor lists "
        f"what is missing, and {installs} installs it.\n"
    )


def test_every_extra_is_one_of_the_package() -> None:
    setup = ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    renamed = {"yaml": "pyyaml", "hydra": "hydra-core", "sklearn": "scikit-learn"}
    for extra, packages in _EXTRAS.items():
        names = {re.split("[><=]", line)[0] for line in extras[extra].split()}
        imported = {renamed.get(name, name).lower().replace("_", "-") for name in packages}
        assert imported <= names


def test_the_doctor_needs_no_package() -> None:
    command = [sys.executable, "-S", "-m", "attn_nmt", "doctor"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=BARE)
    assert result.returncode == 1
    assert "conflict       torch is not installed.\n" in result.stdout
    assert "conflict       numpy is not installed.\n" in result.stdout
    assert result.stderr == "error: 6 conflicts must be solved first; see above.\n"


def test_the_version_is_printed() -> None:
    command = [sys.executable, "-S", "-m", "attn_nmt", "--version"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=BARE)
    assert (result.returncode, result.stdout) == (0, f"attn_nmt {__version__}\n")


@pytest.mark.parametrize("command", ["flags", "benchmark", "doctor"])
def test_pytorch_without_numpy_is_not_enough(command: str) -> None:
    hide = f"import sys; sys.modules['numpy'] = None; sys.argv = ['attn-nmt', {command!r}, 'goals']"
    script = f"{hide}\nif sys.argv[1] != 'benchmark': del sys.argv[2]\n"
    script += "from attn_nmt.__main__ import console; console()"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in result.stderr
    if command != "doctor":
        assert result.stderr.splitlines()[-1].startswith("error: numpy must be installed for this")


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
