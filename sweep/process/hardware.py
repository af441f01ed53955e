"""The hardware of this machine that decides how fast a sweep is: processor, memory, GPUs, the rate of matrix products."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

MEASURE_S = 0.5
"""Seconds of products after which `gemm_peak` stops."""

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux keeps the memory limit of a container, in bytes: version 2 and version 1 of its control groups."""

_PRODUCTS = f"""
import time
import numpy as np
a = np.random.default_rng(0).random((1024, 1024), dtype=np.float32)
begun, best = time.perf_counter(), 9.0
for _ in range(30):
    t = time.perf_counter()
    a @ a
    best = min(best, time.perf_counter() - t)
    if time.perf_counter() - begun > {MEASURE_S}:
        break
print(2 * 1024**3 / best)
"""


def processor() -> str:
    """Return the name of the processor, such as "AMD EPYC 9655"; the architecture if the system does not tell."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory_mb() -> tuple[float, float]:
    """Return the MiB of memory that this machine has, or this container may use, and how many of these are free."""
    found = psutil.virtual_memory()
    total = min([found.total, *_container_limits()])
    return total / 2**20, min(total, found.available) / 2**20


def _container_limits() -> list[int]:
    found = []
    for path in _LIMITS:
        try:
            found.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # there is no such file, or it says "max"
            continue
    return found


def gpus() -> list[str]:
    """Return the names of NVIDIA's GPUs in this machine, as the driver's own tool lists them."""
    if not (tool := shutil.which("nvidia-smi")):
        return []
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return []
    if listed.returncode:
        return []
    # GPU 0: NVIDIA H200 (UUID: GPU-5b0a1ea5-...)
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [line.partition(": ")[2].partition(" (UUID")[0] for line in lines]


def gemm_peak() -> float | None:
    """Return the peak rate of float32 matrix products by NumPy on one core, in FLOP/s; None if NumPy cannot be imported.

    It is the best of at most 30 products of 1024 x 1024. Another process measures, since NumPy's threads are counted when it
    is imported.
    """
    one_core = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # these choose slower products
        one_core.pop(name, None)
    ran = subprocess.run([sys.executable, "-c", _PRODUCTS], env=one_core, capture_output=True, text=True)
    return float(ran.stdout) if ran.returncode == 0 else None
