"""Handles Ctrl-C, SIGTERM and a lost terminal: the first stops the sweep at the next safe point, the second at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from sweep.process.exits import EXIT_STOPPED
from sweep.process.supervisor import STOP_SIGNAL, is_supervised, requests_to_stop


class StopRequested(BaseException):  # a request, not an error
    """Ends a sweep at a safe point. It is not an `Exception`, since Tune would then wait for every running trial first.

    Attributes:
        error: the error that stops the sweep; None if a person stops it, or if all points are in.
    """

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(str(error or "stop requested"))
        self.error = error


class Stopper:
    """Handles the signals for the length of a `with` block.

    Outside `deferred`, the first signal raises `StopRequested` at once. Inside it, the first signal only makes `is_set`
    true; the code inside asks for it where it can stop. The second one raises `KeyboardInterrupt`, or ends the process.

    SIGHUP asks like SIGTERM, unless it is ignored, as by `nohup`. It is never one of the two: of a lost terminal, the
    kernel and the shell may both tell, and at a logout SIGTERM comes with it.

    Args:
        ends_process: whether the second signal ends the process. It must not where that is the user's own, such as a
            notebook's.

    Attributes:
        before_end: called before the second signal ends the process; None for nothing. It may run between any two
            instructions, so it must wait for no lock.
    """

    def __init__(self, ends_process: bool = False) -> None:
        self._ends_process = ends_process
        self.before_end: Callable[[], None] | None = None
        self._requested = False
        self._insisted = False
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
        asking = requests_to_stop()
        handlers = dict.fromkeys(asking, self._handle)
        if is_supervised():  # the parent says when to stop
            handlers = {**dict.fromkeys(asking, _pass_over), STOP_SIGNAL: self._handle}
        for number, handler in handlers.items():
            previous = signal.signal(number, handler)
            self._previous.setdefault(number, previous)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Let the first signal raise nothing inside the block: the code there asks `is_set`."""
        before, self._deferred = self._deferred, True
        try:
            yield
        finally:
            self._deferred = before

    def is_set(self) -> bool:
        """Return whether a stop was asked for."""
        return self._requested

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._insisted and number != signal.SIGHUP:
            self._end()
        self._insisted |= number != signal.SIGHUP
        if not self._requested:
            self._requested = True
            if not self._deferred:
                raise StopRequested

    def _end(self) -> None:
        if not self._ends_process:
            raise KeyboardInterrupt
        if self.before_end is not None:
            self.before_end()
        os._exit(EXIT_STOPPED)  # whatever is committed is on the disk; Ray's processes end with this one


def _pass_over(number: int, frame: FrameType | None) -> None:
    """Ignore the signal; the default handler would end the process."""
