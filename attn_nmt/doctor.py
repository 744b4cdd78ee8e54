"""What is installed, what it runs on, and which combinations are known to fail."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

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
    "pytest",
    "hypothesis",
)
_NEEDED = ("attn_nmt", "torch", "numpy", "fairseq-fixed", "hydra-core", "omegaconf")


def report() -> None:
    """Print versions, the device, and the conflicts found.

    Raises:
        UsageError: if there is a conflict, after printing all of them.
    """
    print(f"python         {platform.python_version()}, {platform.platform()}")
    for name in _PACKAGES:
        print(f"{name:14} {package_version(name) or 'not installed'}")
    print(f"device         {device()}")
    found = conflicts(
        {name: package_version(name) for name in _PACKAGES}, platform.python_version()
    )
    for conflict in found:
        print(f"conflict       {conflict}")
    if found:
        raise UsageError(f"{len(found)} conflicts must be solved first; see above.")
    print("conflicts      none known")


def conflicts(installed: dict[str, str | None], python: str) -> list[str]:
    """Return one sentence for each combination that is known to fail.

    ``installed`` maps a package to its version, None where it is missing.
    """
    found = [f"{name} is not installed." for name in _NEEDED if installed.get(name) is None]
    if _numbers(python) < (3, 11):
        found.append(f"Python must be 3.11 or newer, but is {python}.")
    pytorch, array = installed.get("torch"), installed.get("numpy")
    if pytorch and not (2, 11) <= _numbers(pytorch) < (2, 14):
        found.append(f"torch must be at least 2.11 and below 2.14, but is {pytorch}.")
    if array and _numbers(array) < (2, 0):
        found.append(f"numpy must be 2 or newer, but is {array}.")
    for name, wanted in (("hydra-core", "1.3.2"), ("omegaconf", "2.3.0")):
        have = installed.get(name)
        if have and have != wanted:
            found.append(f"fairseq wants {name} {wanted}, but {have} is installed.")
    return found


def _numbers(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


def package_version(name: str) -> str | None:
    """Return the version of what is installed under that name, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def device() -> str:
    """Say what PyTorch computes on."""
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return f"CUDA {torch.version.cuda}: {', '.join(names)}"
    return f"CPU only, {os.cpu_count()} cores, {torch.get_num_threads()} threads for PyTorch"
