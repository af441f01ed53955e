"""The order in which the open points reach Ray Tune: a seeded permutation of the grid, computed without a list.

The points are shuffled because ASHA lets the first point of a rung pass: an order that follows the grid would favour the
grid's first points. `--points N` means the first N points of this order, so a larger N later extends the same sample.

With `repeats`, the order is one of the configurations: all that are chosen come once, then all of them again with the next
seed. `--points N` means N configurations, each with all its repeats.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Self

import numpy as np

from results.space import Space

_ROUNDS = 4  # Luby and Rackoff (1988): four Feistel rounds give a strong pseudo-random permutation
_AT_ONCE = 256  # points of the order that are computed together

MOST_POINTS = 50_000_000
"""The most points of one run. It keeps the idx of all open points in memory, 8 bytes each, in several arrays."""


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
        points: how many configurations, from the start of the order; None for all.
        idx: only these points, sorted by the order; None for all. At most one of `points` and `idx` is given.
        space: the space, if some of its points are the same point, or it has repeats; None if all `n` are different. The
            order is then one of its different points only, by their numbers.

    Raises:
        ValueError: both are given, `points` is not positive, `idx` is empty, or an idx is outside the space or not trained
            because another point stands for it.
    """

    def __init__(
        self,
        n: int,
        seed: int,
        points: int | None = None,
        idx: Iterable[int] | None = None,
        space: Space | None = None,
    ) -> None:
        if points is not None and idx is not None:
            raise ValueError("--points and --idx were both given, but only one can choose the points.")
        if points is not None and points < 1:
            raise ValueError(f"--points got {points}, but needs at least 1.")
        self._space = space
        self._n = n if space is None else space.configurations
        self._repeats = 1 if space is None else space.repeats
        self._permutation = Permutation(self._n, seed)
        self._idx: list[int] | None = None
        if idx is not None:
            chosen = sorted(set(idx))
            if outside := [i for i in chosen if not 0 <= i < n]:
                raise ValueError(f"--idx got {outside[0]}, but the space has the points 0 to {n - 1}.")
            if not chosen:
                raise ValueError("--idx got no point. Give at least one, such as --idx 0,17.")
            numbers = self._numbers(np.array(chosen, np.int64))
            if (numbers < 0).any():
                raise ValueError(_not_trained(space, chosen))  # type: ignore[arg-type]
            at = dict(zip(chosen, map(self._position, numbers.tolist()), strict=True))
            self._idx = sorted(chosen, key=at.__getitem__)
        self._chosen = set(self._idx or ())
        self._of_repeat = min(self._n, points or self._n)  # configurations that are chosen

    @classmethod
    def of(cls, space: Space, seed: int, points: int | None = None, idx: Iterable[int] | None = None) -> Self:
        """Return a selection of the different points of a space; see the arguments of the class.

        Raises:
            ValueError: as the class, or more than `MOST_POINTS` are selected.
        """
        chosen = cls(len(space), seed, points, idx, space if space.only or space.repeats > 1 else None)
        if len(chosen) > MOST_POINTS:
            raise ValueError(
                f"{len(chosen):,} points are asked for, but one run takes at most {MOST_POINTS:,}. Choose some of them, "
                "such as --points 1000: the first of a shuffled order, to which later runs can add more."
            )
        return chosen

    def __len__(self) -> int:
        return self._of_repeat * self._repeats if self._idx is None else len(self._idx)

    def __iter__(self) -> Iterator[int]:
        if self._idx is not None:
            yield from self._idx
            return
        for repeat in range(self._repeats):
            for start in range(0, self._of_repeat, _AT_ONCE):
                positions = range(start, min(start + _AT_ONCE, self._of_repeat))
                some = [repeat * self._n + self._permutation[at] for at in positions]
                yield from some if self._space is None else self._space.nth(np.array(some)).tolist()

    def __contains__(self, idx: int) -> bool:
        return bool(self.has(np.array([idx]))[0])

    def has(self, idx: np.ndarray) -> np.ndarray:
        """Return whether each of the points is selected: bool, shape (points,)."""
        if self._idx is not None:
            return np.fromiter((one in self._chosen for one in idx.tolist()), bool, len(idx))
        numbers = self._numbers(idx)
        if self._of_repeat == self._n:
            return numbers >= 0
        found = (one >= 0 and self._position(one)[1] < self._of_repeat for one in numbers.tolist())
        return np.fromiter(found, bool, len(idx))

    def to_array(self) -> np.ndarray:
        """Return the selected points: int64, shape (points,), ascending."""
        if self._idx is None and self._of_repeat == self._n:
            numbers = np.arange(len(self))
            return numbers if self._space is None else np.sort(self._space.nth(numbers))
        return np.sort(np.fromiter(self, np.int64, len(self)))

    def _position(self, number: int) -> tuple[int, int]:
        """Return the repeat of a different point, and its position in the order of the configurations."""
        repeat, number = divmod(number, self._n)
        return repeat, self._permutation.position(number)

    def _numbers(self, idx: np.ndarray) -> np.ndarray:
        return idx if self._space is None else self._space.numbers(idx)


def _not_trained(space: Space, chosen: list[int]) -> str:
    """Return the message for points that are not trained, because other points stand for them."""
    idx = np.array(chosen)
    stand_in = space.standing_for(idx)
    one = int(np.flatnonzero(stand_in != idx)[0])
    acting = space.acting(idx[one : one + 1])[0]
    idle = [name for name, acts in zip(space.names, acting, strict=True) if not acts]
    rest = int((stand_in != idx).sum()) - 1
    others = f" The same is true of {rest} more." if rest else ""
    instead = ",".join(map(str, dict.fromkeys(stand_in.tolist())))
    return (
        f"--idx got {chosen[one]}, which is not trained: {' and '.join(idle)} {_acts(idle)} not act there, so point "
        f"{stand_in[one]} stands for it.{others} Write --idx {instead}."
    )


def _acts(names: list[str]) -> str:
    return "do" if len(names) > 1 else "does"
