"""Handles Ctrl-C and SIGTERM: the first stops the sweep at the next safe point, the second ends the process."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from sweep.process.exits import EXIT_STOPPED
from sweep.process.supervisor import STOP_SIGNAL, is_supervised


class StopRequested(BaseException):  # a request, not an error
    """Ends a sweep at a safe point. It is not an `Exception`, since Tune would then wait for every running trial first.

    Attributes:
        error: the error that stops the sweep; None if a person stops it, or if all points are in.
    """

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(str(error or "stop requested"))
        self.error = error


class Stopper:
    """Handles the two signals for the length of a `with` block.

    Outside `deferred`, the first signal raises `StopRequested` at once. Inside it, the first signal only makes `is_set`
    true; the code inside asks for it where it can stop.
    """

    def __init__(self) -> None:
        self._requested = False
        self._deferred = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Stopper:
        self.install()
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as signal.signal returned it

    def install(self) -> None:
        """Install the handlers. Call it again after a library has installed its own. Only the main thread can do this."""
        if threading.current_thread() is not threading.main_thread():
            return
        handlers = {signal.SIGINT: self._handle, signal.SIGTERM: self._handle}
        if is_supervised():  # the parent says when to stop
            handlers = {signal.SIGINT: _pass_over, signal.SIGTERM: _pass_over, STOP_SIGNAL: self._handle}
        for number, handler in handlers.items():
            previous = signal.signal(number, handler)
            self._previous.setdefault(number, previous)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Let the first signal raise nothing inside the block: the code there asks `is_set`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def is_set(self) -> bool:
        """Return whether a stop was asked for."""
        return self._requested

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._requested:
            os._exit(EXIT_STOPPED)  # whatever is committed is on the disk; Ray's processes end with this one
        self._requested = True
        if not self._deferred:
            raise StopRequested


def _pass_over(number: int, frame: FrameType | None) -> None:
    """Ignore the signal; the default handler would end the process."""
