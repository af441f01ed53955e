"""Loads the kernel."""

from __future__ import annotations
import ctypes, functools, os
from dataclasses import dataclass
from typing import Any


class NoKernelError(Exception):
    """There is no kernel for this machine; the message says why."""


@dataclass(frozen=True)
class Library:
    name: str
    lanes: int
    functions: Any


@functools.cache
def load() -> Library:
    path = os.environ.get("KERNEL_PATH", "/tmp/k16.so")
    lib = ctypes.CDLL(path)
    return Library("avx512", lib.lanes(), lib)
