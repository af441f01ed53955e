"""The first signal stops a sweep where that is safe, and the second ends the process."""

import signal
import subprocess
import sys
import threading

import pytest

from sweep.process.exits import EXIT_STOPPED
from sweep.process.signals import Stopper, StopRequested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_at_once_where_nothing_is_under_way(number):
    before = signal.getsignal(number)
    with Stopper() as stopper:
        with pytest.raises(StopRequested):
            signal.raise_signal(number)
        assert stopper.is_set()
    assert signal.getsignal(number) is before


def test_a_signal_waits_where_something_is():
    with Stopper() as stopper, stopper.deferred():
        assert not stopper.is_set()
        signal.raise_signal(signal.SIGINT)
        assert stopper.is_set()


def test_a_library_that_took_the_signals_gives_them_back():
    with Stopper() as stopper:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stopper.install()
        with pytest.raises(StopRequested):
            signal.raise_signal(signal.SIGTERM)


def test_a_second_signal_ends_the_process():
    code = (
        "import signal\nfrom sweep.process.signals import Stopper\n"
        "with Stopper() as stopper, stopper.deferred():\n"
        "    signal.raise_signal(signal.SIGINT)\n    signal.raise_signal(signal.SIGINT)\n    print('not reached')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (EXIT_STOPPED, "")


def test_other_threads_leave_the_signals_alone():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def inside():
        with Stopper():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [before]
