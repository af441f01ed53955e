"""The order in which the open points reach Ray Tune: a seeded permutation of the grid, computed without a list.

The points are shuffled because ASHA lets the first point of a rung pass: an order that follows the grid would favour the
grid's first points. `--points N` means the first N points of this order, so a larger N later extends the same sample.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

_ROUNDS = 4  # Luby and Rackoff (1988): four Feistel rounds give a strong pseudo-random permutation


class Permutation:
    """A seeded bijection of range(n), computed element by element in constant memory.

    A Feistel network permutes the smallest even number of bits that holds n. A result outside the range is permuted
    again until it falls inside ("cycle walking", Black and Rogaway, 2002). That takes at most four turns on average.

    Args:
        n: the number of elements, at least 1.
        seed: any integer; equal seeds give equal orders on every machine.
    """

    def __init__(self, n: int, seed: int) -> None:
        self.n = n
        self._half_bits = max(1, ((n - 1).bit_length() + 1) // 2)
        self._mask = (1 << self._half_bits) - 1
        self._keys = [f"{seed}/{turn}/".encode() for turn in range(_ROUNDS)]

    def _mix(self, key: bytes, half: int) -> int:
        digest = hashlib.blake2b(key + str(half).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") & self._mask

    def __getitem__(self, position: int) -> int:
        """Return the element at `position` of the shuffled order."""
        if not 0 <= position < self.n:
            raise IndexError(f"position={position} is outside the {self.n} positions.")
        value = position
        while True:
            left, right = value >> self._half_bits, value & self._mask
            for key in self._keys:
                left, right = right, left ^ self._mix(key, right)
            value = left << self._half_bits | right
            if value < self.n:
                return value

    def position(self, element: int) -> int:
        """Return the position of `element` in the shuffled order: the inverse of indexing."""
        value = element
        while True:
            left, right = value >> self._half_bits, value & self._mask
            for key in reversed(self._keys):
                left, right = right ^ self._mix(key, left), left
            value = left << self._half_bits | right
            if value < self.n:
                return value


class Selection:
    """The points that a run asks for, in the order of the seeded permutation.

    Args:
        n: points in the space.
        seed: the plan's seed.
        points: how many points, from the start of the order; None for all.
        idx: only these points, sorted by the order; None for all. At most one of `points` and `idx` is given.

    Raises:
        ValueError: both are given, `points` is not positive, `idx` is empty, or an idx is outside the space.
    """

    def __init__(
        self, n: int, seed: int, points: int | None = None, idx: Iterable[int] | None = None
    ) -> None:
        if points is not None and idx is not None:
            raise ValueError("--points and --idx were both given, but only one can choose the points.")
        if points is not None and points < 1:
            raise ValueError(f"--points got {points}, but needs at least 1.")
        self._permutation = Permutation(n, seed)
        self._idx: list[int] | None = None
        if idx is not None:
            chosen = set(idx)
            if outside := sorted(i for i in chosen if not 0 <= i < n):
                raise ValueError(f"--idx got {outside[0]}, but the space has the points 0 to {n - 1}.")
            if not chosen:
                raise ValueError("--idx got no point. Give at least one, such as --idx 0,17.")
            self._idx = sorted(chosen, key=self._permutation.position)
        self._chosen = set(self._idx or ())
        self._n = n
        self._len = len(self._idx) if self._idx is not None else min(n, points or n)

    def __len__(self) -> int:
        return self._len

    def __iter__(self) -> Iterator[int]:
        if self._idx is not None:
            return iter(self._idx)
        return (self._permutation[position] for position in range(self._len))

    def __contains__(self, idx: int) -> bool:
        if self._idx is not None:
            return idx in self._chosen
        return self._len == self._n or self._permutation.position(idx) < self._len

    def has(self, idx: np.ndarray) -> np.ndarray:
        """Return whether each of the points is selected: bool, shape (points,)."""
        if self._idx is None and self._len == self._n:
            return np.ones(len(idx), bool)
        return np.fromiter(map(self.__contains__, idx.tolist()), bool, len(idx))

    def to_array(self) -> np.ndarray:
        """Return the selected points: int64, shape (points,), ascending."""
        if self._idx is None and self._len == self._n:
            return np.arange(self._n)
        return np.sort(np.fromiter(self, np.int64, self._len))
