"""What is installed, the device, and the version conflicts that are known to fail."""

from __future__ import annotations

import os
import platform
from argparse import ArgumentParser
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from attn_nmt.command_line import UsageError

_PACKAGES = (
    "attn_nmt",
    "torch",
    "fairseq-fixed",
    "numpy",
    "hydra-core",
    "omegaconf",
    "sacrebleu",
    "sacremoses",
    "subword-nmt",
    "sentencepiece",
    "babel",
    "num2words",
    "matplotlib",
    "adjusttext",
    "jinja2",
    "scipy",
    "submitit",
    "pytest",
    "hypothesis",
)
_REQUIRED = ("attn_nmt", "torch", "numpy", "fairseq-fixed", "hydra-core", "omegaconf")


def main() -> None:
    """Read the command line, which has no options, and report."""
    ArgumentParser(
        prog="attn-nmt doctor",
        description="Print versions, the device, and conflicts that are known to fail; exit with 1 "
        "if there are any.",
    ).parse_args()
    report()


def report() -> None:
    """Print versions, the device, and conflicts.

    Raises:
        UsageError: if there are conflicts, after printing all of them.
    """
    print(f"python         {platform.python_version()}, {platform.platform()}")
    for name in _PACKAGES:
        print(f"{name:14} {package_version(name) or 'not installed'}")
    print(f"device         {device()}")
    installed = {name: package_version(name) for name in _PACKAGES}
    conflicts = find_conflicts(installed, platform.python_version())
    for conflict in conflicts:
        print(f"conflict       {conflict}")
    if conflicts:
        raise UsageError(f"{len(conflicts)} conflicts must be solved first; see above.")
    print("conflicts      none known")


def find_conflicts(installed: dict[str, str | None], python: str) -> list[str]:
    """Return one sentence for each version that is known to fail.

    ``installed`` maps each package to its version, or None if it is missing.
    """
    conflicts = [f"{name} is not installed." for name in _REQUIRED if installed.get(name) is None]
    if _numbers(python) < (3, 11):
        conflicts.append(f"Python must be 3.11 or newer, but is {python}.")
    pytorch, array = installed.get("torch"), installed.get("numpy")
    if pytorch and not (2, 11) <= _numbers(pytorch) < (2, 14):
        conflicts.append(f"torch must be at least 2.11 and below 2.14, but is {pytorch}.")
    if array and _numbers(array) < (2, 0):
        conflicts.append(f"numpy must be 2 or newer, but is {array}.")
    for name, required in (("hydra-core", "1.3.2"), ("omegaconf", "2.3.0")):
        present = installed.get(name)
        if present and present != required:
            conflicts.append(f"fairseq needs {name} {required}, but {present} is installed.")
    return conflicts


def _numbers(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


def package_version(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def device() -> str:
    """Describe the device of PyTorch, or say that there is no PyTorch."""
    try:
        import torch
    except ImportError as error:  # this command is for finding that out
        return f"unknown, since PyTorch cannot be imported: {error}"
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return f"CUDA {torch.version.cuda}: {', '.join(names)}"
    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    return f"CPU only, {_counted(cores, 'core')}, {_counted(threads, 'thread')} for PyTorch"


def processor() -> str:
    """Return the name of the processor, as far as Linux knows it, and PyTorch's instructions."""
    import torch

    name = platform.processor() or platform.machine()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
