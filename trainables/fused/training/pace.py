"""Estimates how long the rest of a cohort takes, and how much sooner it would end if another worker took half of it."""

from __future__ import annotations


class Pace:
    """The pace of one trial.

    Its first epoch counts as a part of the begin, because it compiles the program if XLA trains. A worker that takes
    points over has to begin with them, too.

    Attributes:
        begin_s: seconds from the first point of the trial to the end of its first epoch.
    """

    def __init__(self) -> None:
        self.begin_s = 0.0
        self._trained_s, self._point_epochs = 0.0, 0
        self._stays, self._epochs = 1.0, 0

    def begun(self, seconds: float) -> None:
        """Count seconds of grouping, proving, restoring or compiling."""
        self.begin_s += seconds

    def trained(self, points: int, left: int, seconds: float) -> None:
        """Count an epoch.

        Args:
            points: that were trained.
            left: how many of these are still in training after it.
            seconds: that it took.
        """
        if not self._epochs:
            self.begun(seconds)
        else:
            self._trained_s += seconds
            self._point_epochs += points
        self._epochs += 1
        self._stays *= left / points

    def rest_s(self, points: int, epochs: int) -> float:
        """Return how many seconds `epochs` more epochs of `points` points take, if as many stop per epoch as so far.

        It is 0 as long as only the first epoch was trained.
        """
        if not self._point_epochs:
            return 0.0
        stays = self._stays ** (1 / self._epochs)
        expected = epochs if stays == 1.0 else stays * (1 - stays**epochs) / (1 - stays)
        return self._trained_s / self._point_epochs * points * expected

    def saves_s(self, points: int, epochs: int) -> float:
        """Return how many seconds sooner these would end if another worker took over half of the points; 0 if not sooner.

        The other worker has to begin as this one had to.
        """
        return max(0.0, self.rest_s(points, epochs) / 2 - self.begin_s)
