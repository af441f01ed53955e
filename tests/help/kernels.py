"""The native kernels that this machine can run, and their functions on NumPy arrays. It needs no Keras."""

from __future__ import annotations

import ctypes
import platform
from typing import Any

import numpy as np
import pytest

from trainables.native import library

HERE = library.KERNELS.get((platform.system(), platform.machine()), ())
"""The kernels of this kind of machine, the fastest first."""


def opened(name: str) -> library.Library:
    """Load a kernel, or skip the test if the processor cannot run it or it was not built."""
    if missing := library.NEEDS[name] - library.features():
        pytest.skip(f"this processor lacks {', '.join(sorted(missing))}, which the kernel {name} needs")
    try:
        return library.opened(name)
    except library.NoKernelError as error:
        pytest.skip(str(error))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Return the address of an array."""
    return ctypes.c_void_p(array.ctypes.data)


def applied(kernel: library.Library, function: int, x: np.ndarray, slope: float = 1.0) -> np.ndarray:
    """Return what an activation makes of numbers; see `apply` in kernel.cpp."""
    x, count = _padded(kernel, x)
    y = np.empty_like(x)
    kernel.functions.apply(
        int(function), ctypes.c_float(slope), pointer(x), pointer(y), ctypes.c_int64(len(x))
    )
    return y[:count]


def gradient(
    kernel: library.Library, function: int, x: np.ndarray, behind: float = 1.0, slope: float = 1.0
) -> np.ndarray:
    """Return the gradient before an activation, given the one behind it; see `apply_backward` in kernel.cpp."""
    x, count = _padded(kernel, x)
    g = np.full_like(x, behind)
    number: Any = ctypes.c_int64(len(x))
    kernel.functions.apply_backward(int(function), ctypes.c_float(slope), pointer(x), pointer(g), number)
    return g[:count]


def _padded(kernel: library.Library, x: np.ndarray) -> tuple[np.ndarray, int]:
    x = np.asarray(x, np.float32)
    return np.pad(x, (0, -len(x) % kernel.lanes)), len(x)
