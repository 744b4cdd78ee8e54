"""What a run depends on beside its command: versions, devices, the code, the data."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from attn_nmt.data_card import DataCard
from attn_nmt.doctor import device, package_version
from attn_nmt.version import __version__

_PACKAGES = ("torch", "fairseq-fixed", "sacrebleu", "sacremoses", "numpy", "omegaconf")
_VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "SLURM_JOB_ID")


def environment(data_bin: Path, changed: dict[str, str]) -> dict[str, Any]:
    """Return it ready for JSON; ``changed`` are variables that are set for the run only.

    Raises:
        UsageError: if there is no data card beside ``data_bin``.
    """
    variables = {**os.environ, **changed}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "node": platform.node(),
        "attn_nmt": __version__,
        "packages": {name: package_version(name) for name in _PACKAGES},
        "device": device(),
        "variables": {name: variables.get(name) for name in _VARIABLES},
        "git": git_state(Path(__file__).parent),
        "data_card": asdict(DataCard.read(data_bin.resolve().parent)),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the commit that the files of ``folder`` are of, and whether they were changed since.

    None where they are of no commit, as those of an installed package.
    """
    tracked = _git(folder, "ls-files", ".")
    commit = _git(folder, "rev-parse", "HEAD")
    if not tracked or not commit:
        return None
    return {"commit": commit, "changed": bool(_git(folder, "status", "--porcelain", "-uno"))}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
