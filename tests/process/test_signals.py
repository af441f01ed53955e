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


TWICE = """
import signal
from sweep.process.signals import Stopper
try:
    with Stopper({arguments}) as stopper, stopper.deferred():
        signal.raise_signal(signal.{first})
        signal.raise_signal(signal.{second})
        print("went on")
except KeyboardInterrupt:
    print("interrupted")
"""


def asked_twice(arguments="", first="SIGINT", second="SIGTERM"):
    code = TWICE.format(arguments=arguments, first=first, second=second)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return ran.returncode, ran.stdout, ran.stderr


def test_a_second_signal_ends_the_process_of_a_command():
    assert asked_twice("ends_process=True") == (EXIT_STOPPED, "", "")


def test_a_second_signal_ends_the_run_and_not_a_process_of_the_user_s():
    assert asked_twice() == (0, "interrupted\n", "")


@pytest.fixture
def hang_up():
    """SIGHUP as it is without `nohup`, under which the tests may run."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield signal.SIGHUP
    signal.signal(signal.SIGHUP, before)


def test_a_lost_terminal_stops_once_though_kernel_and_shell_both_tell(hang_up):
    with Stopper() as stopper, stopper.deferred():
        signal.raise_signal(hang_up)
        assert stopper.is_set()
        signal.raise_signal(hang_up)
    assert signal.getsignal(hang_up) == signal.SIG_DFL


def test_a_terminal_that_is_lost_at_a_logout_is_not_the_first_of_two_signals(hang_up):
    """SIGTERM comes with it, and Python runs the handler of the smaller number first."""
    with Stopper(ends_process=True) as stopper, stopper.deferred():
        signal.raise_signal(hang_up)
        signal.raise_signal(signal.SIGTERM)
        assert stopper.is_set()


def test_a_terminal_may_be_lost_under_nohup(hang_up):
    signal.signal(hang_up, signal.SIG_IGN)
    with Stopper() as stopper:
        signal.raise_signal(hang_up)
        assert not stopper.is_set()
    assert signal.getsignal(hang_up) == signal.SIG_IGN


def test_a_block_that_defers_leaves_those_around_it_deferred():
    with Stopper() as stopper, stopper.deferred():
        with stopper.deferred():
            pass
        signal.raise_signal(signal.SIGINT)
        assert stopper.is_set()


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
