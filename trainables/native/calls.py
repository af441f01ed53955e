"""Calls a kernel for the chunks of an epoch, so that no call takes longer than a second: else Ctrl-C would wait for it."""

from __future__ import annotations

import ctypes
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from trainables.native import structures as c
from trainables.native.library import Library
from trainables.native.measures import UnsupportedError

CALL_S = 0.3
"""Seconds that a call of the kernel should take."""

MOST_FALL = 4
"""How many times faster a call may be expected than the one before. A call that was measured wrongly, since it was short or
the clock is coarse, must not make the next one long."""

MOST_BYTES = 512 * 2**20
"""The most memory that the kernel may need for the activations of a batch."""


class Calls:
    """The calls of one kernel for the models of one net.

    Args:
        library: the kernel.
        net: the `struct Net`, which lives longer.

    Raises:
        UnsupportedError: the kernel does not take the net.
    """

    def __init__(self, library: Library, net: c.CNet) -> None:
        self.library, self._net = library, net
        library.functions.workspace.restype = ctypes.c_int64
        size = library.functions.workspace(ctypes.byref(net))
        if size < 0:
            raise UnsupportedError("the kernel does not accept the chain")
        if size > MOST_BYTES:
            raise UnsupportedError("the activations of a batch take too much memory")
        memory = np.empty(size + 64, np.uint8)
        self._memory = memory[-memory.ctypes.data % 64 :][:size]
        self._seconds = {"train": 0.0, "evaluate": 0.0}  # of one row of one chunk

    def call(self, name: str, models: Any, *arguments: Any, cost: float, last: Sequence[Any] = ()) -> None:
        """Call a function.

        Args:
            name: "train" or "evaluate".
            models: the `struct Models`.
            arguments: those before the memory.
            cost: rows of chunks for which it computes something.
            last: the arguments behind the memory.
        """
        started = time.process_time()
        memory = self._memory.ctypes.data_as(ctypes.c_void_p)
        function = getattr(self.library.functions, name)
        if function(ctypes.byref(self._net), ctypes.byref(models), *arguments, memory, *last):
            raise RuntimeError("The kernel refused a net that it has accepted before.")
        found = (time.process_time() - started) / max(1, cost)
        self._seconds[name] = max(1e-12, found, self._seconds[name] / MOST_FALL)

    def cuts(
        self, name: str, chunks: int, steps: int, rows: int, most: int, most_steps: int = 2**63
    ) -> Iterator[tuple[range, int, int]]:
        """Yield chunks, first and last step of each call, so that a call takes about `CALL_S`.

        Args:
            name: "train" or "evaluate".
            chunks: how many there are.
            steps: batches or tiles of an epoch.
            rows: of a batch or a tile; the last one may have fewer.
            most: how many chunks may be computed at once.
            most_steps: how many steps may be computed at once.
        """
        first = 0
        while first < chunks:
            a_chunk = self._seconds[name] * rows * steps
            at_once = min(max(1, int(CALL_S / a_chunk)) if a_chunk else 1, most)
            some = range(first, min(chunks, first + at_once))
            first = some.stop
            pieces = max(1, math.ceil(a_chunk / CALL_S)) if a_chunk else 1
            if not a_chunk and rows * steps > 100_000:  # nothing is known yet
                pieces = math.ceil(rows * steps / 100_000)
            pieces = max(pieces, math.ceil(steps / most_steps))
            ends = np.linspace(0, steps, min(pieces, steps) + 1).astype(int)
            for start, end in itertools.pairwise(ends):
                yield some, int(start), int(end)
