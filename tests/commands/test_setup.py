"""setup.sh on machines that lack something, the doctor, and the list of flags."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from support.commandline import ROOT, run_command

from attn_nmt.models.config import AttnTransformerConfig

# What setup.sh calls, apart from Python and a compiler.
TOOLS = ("bash", "cat", "cksum", "cut", "dirname", "grep", "tail")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a directory with just what setup.sh reads."""
    directory = tmp_path / "checkout"
    (directory / "scripts").mkdir(parents=True)
    for name in ("setup.sh", "build_fairseq.py"):
        shutil.copy(ROOT / "scripts" / name, directory / "scripts")
    shutil.copy(ROOT / "setup.cfg", directory)
    return directory


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a directory to be the whole PATH, with no compiler in it."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for tool in TOOLS:
        (directory / tool).symlink_to(shutil.which(tool) or tool)
    (directory / "python3").symlink_to(getattr(sys, "_base_executable", sys.executable))
    return directory


def run_setup(
    checkout: Path, path: Path, **environment: str
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run setup.sh; return its result and its lines on standard error."""
    result = subprocess.run(
        ["bash", "scripts/setup.sh"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": os.environ["HOME"], "PATH": str(path), **environment},
    )
    return result, result.stderr.splitlines()


def make_python(path: Path, version: tuple[int, int, int]) -> None:
    """Put a python3 first that claims to be of another version."""
    real = getattr(sys, "_base_executable", sys.executable)
    (path / "python3").unlink()
    (path / "python3").write_text(
        f"#!/bin/sh\nexec {real} -c "
        f'\'import sys; sys.version_info = (*{version}, "final", 0); exec(sys.argv[1])\' "$2"\n'
    )
    (path / "python3").chmod(0o755)


def test_an_old_python_first_on_the_path_is_refused(checkout: Path, path: Path) -> None:
    make_python(path, (3, 8, 10))
    result, lines = run_setup(checkout, path)
    assert result.returncode == 1
    assert lines == [
        "setup: Python 3.11 or newer is needed, but python3 is 3.8.10; set PYTHON to a newer one."
    ]
    assert not (checkout / ".venv").exists()


def test_a_missing_python_is_named(checkout: Path, path: Path) -> None:
    (path / "python3").unlink()
    result, lines = run_setup(checkout, path)
    assert result.returncode == 1
    assert lines == ["setup: Python 3.11 or newer is needed, but python3 is not on the PATH."]


def test_a_missing_compiler_is_named(checkout: Path, path: Path) -> None:
    result, lines = run_setup(checkout, path)
    assert result.returncode == 1
    assert lines == [
        "setup: a C++ compiler is needed to build fairseq, but neither c++ nor g++ is on the PATH."
    ]
    assert not (checkout / ".venv").exists()


def test_a_failed_download_is_reported_with_the_log(checkout: Path, path: Path) -> None:
    (path / "c++").symlink_to(shutil.which("true") or "/bin/true")
    result, lines = run_setup(checkout, path, TORCH_SPEC="torch==0.0.1", PIP_NO_INDEX="1")
    assert result.returncode == 1
    assert lines[-1].startswith("setup: installing PyTorch as TORCH_SPEC says failed: ERROR: ")
    assert lines[-1].endswith("The whole log is in .venv/set-up.log.")
    assert not (checkout / ".venv" / ".set-up").exists()


def test_a_second_run_of_setup_does_nothing() -> None:
    run_command("bash", "scripts/setup.sh")
    result = run_command("bash", "scripts/setup.sh")
    assert result.stderr.splitlines() == ["setup: nothing to do, .venv is up to date."]


def test_the_models_flags_are_listed_with_their_defaults() -> None:
    text = run_command("python3", "-m", "attn_nmt", "flags").stdout
    flags = [name.replace("_", "-") for name in asdict(AttnTransformerConfig()) if name != "_name"]
    assert [flag for flag in flags if f"--{flag}" not in text] == []
    assert "(default: 1111)" in text


def test_the_doctor_finds_no_conflict() -> None:
    lines = run_command("python3", "-m", "attn_nmt", "doctor").stdout.splitlines()
    assert any(line.startswith("torch ") for line in lines)
    assert any(line.startswith("device ") for line in lines)
    assert lines[-1].split(maxsplit=1) == ["conflicts", "none known"]


@pytest.mark.parametrize("script", ["quickstart.sh", "setup.sh", "test.sh"])
def test_help_is_help_and_nothing_else(script: str) -> None:
    text = (ROOT / "scripts" / script).read_text()
    printed = run_command("bash", f"scripts/{script}", "--help")
    assert printed.stderr == ""
    lines = printed.stdout.splitlines()
    assert f"bash scripts/{script}" in printed.stdout
    assert [f"# {line}".rstrip() for line in lines] == text.splitlines()[1 : 1 + len(lines)]
