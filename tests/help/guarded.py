"""Trains random tasks in memory whose borders the processor or a sanitizer guards: a process of its own, since it may die.

    python -m tests.help.guarded LIBRARY pages|exact FIRST END [short|shifted]

It trains the tasks of the seeds from FIRST to END, each as it is and then with a random change of its net, which the kernel
must refuse or survive. With `short` an array lacks its last number, and with `shifted` one is not aligned: then the process
must die, or else nothing is guarded.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

from tests.help.dense_kernel import PATTERN, Memory, trained_by_kernel
from tests.help.dense_nets import random_task
from trainables.native.structures import Measure

SYSTEM = ctypes.CDLL(None)
PAGE = 4096
READ_WRITE, PRIVATE_ANONYMOUS = 3, 0x22
VALUES = (-(2**31), -7, -1, 0, 1, 2, 3, 4, 5, 9, 16, 64, 1000, 2**20, 2**31 - 1)


def at(address: int, size: int) -> np.ndarray:
    """Return the bytes at an address."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))


class Pages(Memory):
    """Memory between pages that nobody may touch; an array ends where the second one begins."""

    def __init__(self) -> None:
        super().__init__()
        self._mapped: list[tuple[int, int]] = []

    def take(self, size: int) -> np.ndarray:
        """Return `size` bytes."""
        inner = -(-max(1, size) // PAGE) * PAGE
        SYSTEM.mmap.restype = ctypes.c_void_p
        first = SYSTEM.mmap(
            None, ctypes.c_size_t(inner + 2 * PAGE), READ_WRITE, PRIVATE_ANONYMOUS, -1, ctypes.c_long(0)
        )
        self._mapped.append((first, inner + 2 * PAGE))
        for page in (first, first + PAGE + inner):
            if SYSTEM.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 0):
                raise OSError("mprotect failed")
        whole = at(first + PAGE, inner)
        whole[...] = PATTERN
        self._taken.append((whole, inner - size, inner))
        return whole[inner - size :]

    def free(self) -> None:
        """Give everything back."""
        for first, size in self._mapped:
            SYSTEM.munmap(ctypes.c_void_p(first), ctypes.c_size_t(size))


class Exact(Memory):
    """Memory of the system's own functions, of which a sanitizer knows the borders."""

    def __init__(self) -> None:
        super().__init__()
        self._mapped: list[int] = []

    def take(self, size: int) -> np.ndarray:
        """Return `size` bytes at a multiple of 64."""
        address = ctypes.c_void_p()
        if SYSTEM.posix_memalign(ctypes.byref(address), ctypes.c_size_t(64), ctypes.c_size_t(max(1, size))):
            raise MemoryError
        assert address.value
        self._mapped.append(address.value)
        return at(address.value, size)

    def free(self) -> None:
        """Give everything back."""
        for address in self._mapped:
            SYSTEM.free(ctypes.c_void_p(address))


def altered(chance: np.random.Generator) -> Any:
    """Return a function that changes one number of a net."""

    def alter(parts: list[Any]) -> None:
        there = [part for part in parts if len(part)]
        part = there[chance.integers(len(there))]
        item, value = chance.integers(len(part)), int(chance.choice(VALUES))
        if not hasattr(part[item], "_fields_"):  # the position of a penalized variable, or a source
            part[item] = value
            return
        name, kind = part[item]._fields_[chance.integers(len(part[item]._fields_))]
        if issubclass(kind, ctypes.Array):
            getattr(part[item], name)[chance.integers(3)] = value
        elif kind is ctypes.c_float:
            setattr(part[item], name, float(value))
        # The caller must give an array for each number of a draw or a schedule, and classes for sparse measures.
        elif name not in ("draws", "scheduled") and not (name == "measure" and "SPARSE" in _measure(value)):
            setattr(part[item], name, value)

    return alter


def _measure(value: int) -> str:
    return Measure(value).name if value in iter(Measure) else ""


def main(library: str, kind: str, first: int, end: int, fault: str = "") -> None:
    """Train the tasks of some seeds."""
    functions = ctypes.CDLL(library)
    functions.workspace.restype = ctypes.c_int64
    refused = 0
    for seed in range(first, end):
        chance = np.random.default_rng(seed)
        task = random_task(lambda options, chance=chance: options[chance.integers(len(options))])
        for alter in (None, altered(chance)):
            memory = {"pages": Pages, "exact": Exact}[kind]()
            if fault:
                memory.copy = faulty(memory, fault)  # type: ignore[method-assign]
            found = trained_by_kernel(functions, task, memory, 1, alter)
            assert found is not None or alter is not None, f"the net of the seed {seed} is refused"
            refused += found is None
            memory.free()
    print(f"{end - first} tasks, and {refused} nets refused")


def faulty(memory: Memory, fault: str) -> Any:
    """Return a `copy` whose copies of the rows are too short or not aligned."""
    right = memory.copy

    def copy(array: np.ndarray) -> np.ndarray:
        if fault == "short" and array.ndim == 2 and array.dtype == np.float32:
            return right(array.ravel()[:-1])
        if fault == "shifted" and array.dtype == np.float64:
            return memory.take(array.nbytes + 8)[4:-4].view(np.uint8)[: array.nbytes].view(array.dtype)
        return right(array)

    return copy


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:])
