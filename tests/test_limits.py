"""Code that takes longer than its limit is interrupted, and the memory of a cohort is bounded."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from trainables.limits import TimeUpError, cohort_memory_mb, resident_mb, time_limit


def nothing_is_left():
    return signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_code_in_time_is_left_alone():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(60):
        assert 59 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    assert nothing_is_left() and signal.getsignal(signal.SIGALRM) is before


@pytest.mark.parametrize("seconds", [0.2, 0, -3])
def test_code_that_takes_longer_is_interrupted(seconds):
    before, started = signal.getsignal(signal.SIGALRM), time.monotonic()
    # A builder may eat what it can get.
    with pytest.raises(TimeUpError), time_limit(seconds), contextlib.suppress(Exception):
        time.sleep(60)
    assert max(seconds, 0) <= time.monotonic() - started < 50
    assert nothing_is_left() and signal.getsignal(signal.SIGALRM) is before


def test_the_error_stream_may_be_no_file(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with time_limit(60):
        pass
    assert nothing_is_left()


def test_an_error_inside_ends_the_limit_as_well():
    with pytest.raises(KeyError), time_limit(60):
        raise KeyError("a")
    assert nothing_is_left()


def test_an_outer_limit_goes_on_after_an_inner_one():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(60):
        with time_limit(10):
            assert signal.getitimer(signal.ITIMER_REAL)[0] <= 10
        assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] < 60
    assert nothing_is_left() and signal.getsignal(signal.SIGALRM) is before
    with pytest.raises(TimeUpError), time_limit(0.1):
        with time_limit(60):
            time.sleep(0.2)
        time.sleep(60)
    assert nothing_is_left() and signal.getsignal(signal.SIGALRM) is before


class Forgetful:
    """Takes its time to go, and Python forgets what is raised meanwhile."""

    def __del__(self):
        time.sleep(0.5)


@pytest.mark.heavy  # takes long
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_code_whose_alarm_was_lost_is_told_again():
    before, started = signal.getsignal(signal.SIGALRM), time.monotonic()
    with pytest.raises(TimeUpError), time_limit(0.1):
        Forgetful()
        time.sleep(60)
    assert 1 <= time.monotonic() - started < 50
    assert nothing_is_left() and signal.getsignal(signal.SIGALRM) is before


HANGING = """
import signal, time
from trainables import limits
limits.KILL_AFTER_S = 0.3
with limits.time_limit(0.1):
    pass
time.sleep(0.6)
with limits.time_limit(60):
    with limits.time_limit(0.1):
        pass
    time.sleep(0.6)
print("alive after a block that was in time", flush=True)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])  # nothing in Python is reached any more
with limits.time_limit(0.1):
    with limits.time_limit(60):
        pass
    time.sleep(100)
print("never")
"""


@pytest.mark.heavy  # takes long
def test_code_that_cannot_be_interrupted_takes_its_process_with_it():
    started = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True)
    assert ran.returncode == 1 and time.monotonic() - started < 50
    assert ran.stdout == "alive after a block that was in time\n"
    assert "line 17" in ran.stderr  # where it hung


def test_the_memory_is_that_of_this_process():
    before = resident_mb()
    pages = int(Path(f"/proc/{os.getpid()}/statm").read_text().split()[1])
    assert before == pytest.approx(
        pages * os.sysconf("SC_PAGE_SIZE") / 2**20, rel=0.02
    )  # read a moment later
    block = bytearray(os.urandom(2**20)) * 64
    # 64 MiB more; a fifth may come out of what Python had set aside.
    assert resident_mb() - before > 50 and len(block) == 2**26


@pytest.mark.parametrize(("gpu", "devices", "expected"), [
    (0.0, ["GPU"], 512),  # it is given none of what is there
    (1.0, [], 512),  # nor can it see one
    (1.0, ["CPU", "GPU"], 40_000),
    (0.25, ["CPU", "GPU"], 10_000),
    (2.0, ["GPU", "GPU"], 40_000),  # a program runs on one
])  # fmt: skip
def test_a_cohort_is_bounded_by_the_memory_of_its_gpu(monkeypatch, gpu, devices, expected):
    """This machine may have no GPU, so TensorFlow's list of devices is the test's."""
    from tensorflow.python.client import device_lib

    found = [SimpleNamespace(device_type=kind, memory_limit=80_000 * 2**20) for kind in devices]
    monkeypatch.setattr(device_lib, "list_local_devices", lambda: found)
    assert cohort_memory_mb(512, gpu) == expected
