"""The supervisor: passes a wish to stop on once, tells an end without words, and ends a driver whose head is lost."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

PARENT = """
import sys
from sweep import supervisor
supervisor.CHECK_EVERY_S = 1.5
supervisor.GRACE_S = 1.0
sys.argv = [{child!r}, "--some", "a b"]
sys.exit(supervisor.supervised(sys.argv[1:], sys.stdin.readline().strip()))
"""

CHILD = """
import os, signal, sys, time
from sweep import supervisor
from sweep.stopping import Stopper, StopRequested
supervisor.begin()
try:
    with Stopper():
        print("pid", os.getpid(), flush=True)
{body}
        print("whole", sys.argv[1:], flush=True)
        code = 0
except StopRequested:
    print("asked to stop", flush=True)
    time.sleep({after})
    code = 3
supervisor.end()
sys.exit(code)
"""


@contextlib.contextmanager
def head():
    """An address that answers until the socket is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def supervised(tmp_path):
    started = []

    def start(body, address="127.0.0.1:1", after=0.0):
        child = tmp_path / "a child é"
        child.write_text(CHILD.format(body="\n".join(f"        {line}" for line in body), after=after))
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT.format(child=str(child))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": os.getcwd()},  # noqa: PTH109
        )
        started.append(process)
        process.stdin.write(f"{address}\n")
        process.stdin.flush()
        pid = int(process.stdout.readline().split()[1])
        return process, pid

    yield start
    for process in started:
        for other in (
            [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        ):
            other.kill()
        process.kill()
        process.wait()


def ended(process, within_s=20):
    output, _ = process.communicate(timeout=within_s)
    return process.returncode, output


SLEEP = ["time.sleep(60)"]


def test_a_child_s_own_end_is_the_end(supervised):
    code, output = ended(supervised(["pass"])[0])
    assert (code, output.splitlines()) == (0, ["whole ['--some', 'a b']"])


def test_a_child_that_fails_with_words_is_left_to_its_words(supervised):
    code, output = ended(supervised(["supervisor.end(); sys.exit(2)"])[0])
    assert code == 2 and output == ""


@pytest.mark.parametrize(
    "how", ["os._exit(1)", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "os.abort()"]
)
def test_an_end_without_words_is_told_and_is_a_stop(supervised, how):
    code, output = ended(supervised([how])[0])
    assert code == 3
    assert "the driver was ended" in output and "127.0.0.1:1" in output
    assert "Resume:  sweep --some 'a b'" in output
    assert "Traceback" not in output


def test_a_stop_before_there_is_anything_to_stop_is_one_word(supervised):
    with head() as server:
        process, _ = supervised(["signal.signal(supervisor.STOP_SIGNAL, signal.SIG_DFL)", *SLEEP],
                                    f"127.0.0.1:{server.getsockname()[1]}")  # fmt: skip
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert ended(process) == (3, "Stopped.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_with_all_that_there_is_to_say(supervised, number):
    with head() as server:
        process, _ = supervised(SLEEP, f"127.0.0.1:{server.getsockname()[1]}", after=0.3)
        process.send_signal(number)
        code, output = ended(process)
    assert code == 3 and output.splitlines() == ["asked to stop"]


def test_a_job_server_that_signals_both_asks_once(supervised):
    with head() as server:
        process, child = supervised(SLEEP, f"127.0.0.1:{server.getsockname()[1]}", after=0.5)
        os.kill(child, signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        os.kill(child, signal.SIGTERM)
        code, output = ended(process)
    assert code == 3 and output.splitlines() == ["asked to stop"]


def test_a_second_signal_ends_at_once(supervised):
    with head() as server:
        process, _ = supervised(SLEEP, f"127.0.0.1:{server.getsockname()[1]}", after=60)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "asked to stop\n"
        process.send_signal(signal.SIGINT)
        code, output = ended(process, 10)
    assert code == 3 and "signal 9" in output


def test_a_child_whose_parent_is_killed_stops_by_itself(supervised):
    with head() as server:
        process, child = supervised(SLEEP, f"127.0.0.1:{server.getsockname()[1]}")
        process.kill()
        output, _ = process.communicate(timeout=20)  # until the child has closed its end, too
        assert output == "asked to stop\n"
    deadline = time.monotonic() + 10
    while psutil.pid_exists(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(child)


def test_a_head_that_is_lost_stops_the_driver(supervised):
    with head() as server:
        process, _ = supervised(SLEEP, f"127.0.0.1:{server.getsockname()[1]}")
        time.sleep(1.0)
        assert process.poll() is None
    code, output = ended(process)
    assert code == 3 and output.splitlines() == ["asked to stop"]


def test_a_driver_that_hangs_without_its_head_is_ended(supervised):
    process, _ = supervised(SLEEP, after=60)  # nobody has ever answered there
    code, output = ended(process)
    assert code == 3 and re.search(r"asked to stop\n\nError: the driver was ended \(signal 9\)", output)
