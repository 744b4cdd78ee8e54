"""Measures of a step: seconds, peak memory, multiply-adds, and the rate of the machine.

A step is a call without arguments. Everything here needs PyTorch only, so that a process that
measures memory starts quickly.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from attn_nmt.modules.linear import linear
from attn_nmt.progress import track

Step = Callable[[], object]
Name = TypeVar("Name", bound=Hashable)
_MATRIX_SIZE, _MATRIX_ROUNDS = 2048, 9


def device() -> torch.device:
    """Return the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def synchronize() -> None:
    """Wait until the GPU has finished."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(step: Step) -> float:
    """Time one call."""
    synchronize()
    start = time.perf_counter()
    step()
    synchronize()
    return time.perf_counter() - start


def interleaved(
    steps: Mapping[Name, Step], rounds: int, description: str = "rounds"
) -> dict[Name, list[float]]:
    """Return the seconds of each step in each round, after two warm-up rounds.

    The steps take turns, so that a change of the machine's speed affects all of them. After one
    warm-up round, the first of six models was still a third slower than it is later.
    """
    for _ in range(2):
        for step in steps.values():
            step()
    times: dict[Name, list[float]] = {name: [] for name in steps}
    for _ in track(range(rounds), description, unit="rounds"):
        for name, step in steps.items():
            times[name].append(seconds(step))
    return times


def ratio(own: list[float], baseline: list[float]) -> tuple[float, float, float]:
    """Return the median of the ratios of each round, and their lower and upper quartile."""
    ratios = [one / other for one, other in zip(own, baseline, strict=True)]
    if len(ratios) == 1:
        return ratios[0], ratios[0], ratios[0]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return median, low, high


def matrix_rate() -> float:
    """Return the multiply-adds per second of a large square product, by the faster library."""
    dtype = torch.bfloat16 if device().type == "cuda" else torch.float32
    x = torch.randn(_MATRIX_SIZE, _MATRIX_SIZE, device=device(), dtype=dtype)
    linear(x, x)
    times = [seconds(lambda: linear(x, x)) for _ in range(_MATRIX_ROUNDS)]
    return _MATRIX_SIZE**3 / statistics.median(times)


def multiply_adds(step: Step) -> float:
    """Count those of the matrix products and convolutions of one step."""
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops()) / 2


def peak_memory(make: Callable[..., Step], *arguments: Any) -> int:
    """Return the bytes that the first step of ``make(*arguments)`` adds; on a GPU, its peak.

    The step runs in a process of its own.

    Raises:
        BrokenProcessPool: if that process is killed, as for too much memory.
    """
    # Not multiprocessing's Pool: it kills the process before that has cleaned up after its imports,
    # and waits for ever if something else killed it.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(_peak_memory, make, *arguments).result()


def _peak_memory(make: Callable[..., Step], *arguments: Any) -> int:
    step = make(*arguments)
    if torch.cuda.is_available():
        step()
        return torch.cuda.max_memory_allocated()
    # Writing 5 resets the peak of the resident memory to its current size.
    Path("/proc/self/clear_refs").write_text("5")
    baseline = _process_status("VmRSS")
    step()
    return _process_status("VmHWM") - baseline


def _process_status(field: str) -> int:
    """Return a field of Linux's /proc/self/status, in bytes."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])


def keep_freed_memory() -> None:
    """Make the C library keep freed memory, as the GPU's allocator does.

    Otherwise it sometimes returns large blocks, which the system then has to clear again; that made
    a linear mechanism look like one of exponent 1.5.
    """
    trim_threshold, mmap_threshold, max_mmap_threshold = -1, -3, 2**25
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc
    if mallopt is not None:
        mallopt(mmap_threshold, max_mmap_threshold)
        mallopt(trim_threshold, 2**31 - 1)
