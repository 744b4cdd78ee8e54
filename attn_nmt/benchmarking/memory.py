"""Peak memory: of a process of its own, or of the GPU."""

from __future__ import annotations

import ctypes
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from attn_nmt.benchmarking.work import Step


def peak_memory(make: Callable[..., Step], *arguments: Any) -> int:
    """Return the bytes that the first step of ``make(*arguments)`` adds; on a GPU, its peak."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_memory, (make, *arguments))


def _peak_memory(make: Callable[..., Step], *arguments: Any) -> int:
    step = make(*arguments)
    if torch.cuda.is_available():
        step()
        return torch.cuda.max_memory_allocated()
    # Writing 5 sets the peak of the resident memory back to what is resident now.
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    step()
    return _resident("VmHWM") - before


def _resident(field: str) -> int:
    """Return a line of Linux's /proc/self/status, in bytes."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])


def keep_freed_memory() -> None:
    """Have the C library keep what is freed, as the GPU's allocator does.

    Otherwise it now and then gives large blocks back and the system clears them anew, which made a
    linear mechanism look like one of exponent 1.5.
    """
    trim_threshold, mmap_threshold, largest = -1, -3, 2**25
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, others need not
    if mallopt is not None:
        mallopt(mmap_threshold, largest)
        mallopt(trim_threshold, 2**31 - 1)
