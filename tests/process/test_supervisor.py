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

from sweep.process import supervisor
from tests.help.clusters import wait_until

PARENT = """
import signal, sys
from sweep.process import supervisor
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
supervisor.CHECK_EVERY_S = 0.5
supervisor.GRACE_S = 2.0
sys.argv = [{child!r}, "--some", "a b"]
sys.exit(supervisor.supervised(sys.argv[1:], sys.stdin.readline().strip()))
"""

CHILD = """
import os, signal, sys, time
from sweep.process import supervisor
from sweep.process.signals import Stopper, StopRequested
supervisor.begin()
with Stopper():  # as the command has one for the time before and after the run
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


class Supervised:
    """A parent and its child, and what both have printed, into a file: a pipe's reader would take parts of it along."""

    def __init__(self, folder, body, address, after):
        child = folder / "a child é"
        child.write_text(CHILD.format(body="\n".join(f"            {line}" for line in body), after=after))
        self._printed = folder / "printed"
        with self._printed.open("w") as printed:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PARENT.format(child=str(child))],
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, "PYTHONPATH": os.getcwd()},  # noqa: PTH109
            )
        self.process.stdin.write(f"{address}\n")
        self.process.stdin.close()
        wait_until(lambda: "\n" in self._printed.read_text(), 120)
        self.child = int(self._printed.read_text().splitlines()[0].removeprefix("pid "))

    @property
    def output(self):
        """What was printed after the child's number."""
        return self._printed.read_text().partition("\n")[2]

    def signal(self, number):
        self.process.send_signal(number)

    def ended(self, within_s=60):
        return self.process.wait(within_s), self.output


@pytest.fixture
def supervised(tmp_path):
    started = []

    def start(body, address="127.0.0.1:1", after=0.0):
        started.append(Supervised(tmp_path, body, address, after))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            for other in psutil.Process(one.process.pid).children(recursive=True):
                other.kill()
        one.process.kill()
        one.process.wait()


SLEEP = ["time.sleep(300)"]


def test_a_child_s_own_end_is_the_end(supervised):
    code, output = supervised(["pass"]).ended()
    assert (code, output.splitlines()) == (0, ["whole ['--some', 'a b']"])


def test_a_child_that_fails_with_words_is_left_to_its_words(supervised):
    code, output = supervised(["supervisor.end(); sys.exit(2)"]).ended()
    assert code == 2 and output == ""


@pytest.mark.parametrize(
    "how", ["os._exit(1)", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "os.abort()"]
)
def test_an_end_without_words_is_told_and_is_a_stop(supervised, how):
    code, output = supervised([how]).ended()
    assert code == 3
    assert "the driver was ended" in output and "127.0.0.1:1" in output
    assert "Resume:  sweep --some 'a b'" in output
    assert "Traceback" not in output


@pytest.mark.heavy  # takes long
def test_a_stop_before_there_is_anything_to_stop_is_one_word(supervised):
    with head() as server:
        one = supervised(["signal.signal(supervisor.STOP_SIGNAL, signal.SIG_DFL)", *SLEEP],
                         f"127.0.0.1:{server.getsockname()[1]}")  # fmt: skip
        time.sleep(0.5)
        one.signal(signal.SIGINT)
        assert one.ended() == (3, "Stopped.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_stops_with_all_that_there_is_to_say(supervised, number):
    with head() as server:
        one = supervised(SLEEP, f"127.0.0.1:{server.getsockname()[1]}", after=0.3)
        one.signal(number)
        code, output = one.ended()
    assert code == 3 and output.splitlines() == ["asked to stop"]


def test_a_logout_asks_once_by_two_signals(supervised):
    with head() as server:
        one = supervised(SLEEP, f"127.0.0.1:{server.getsockname()[1]}", after=0.5)
        one.signal(signal.SIGHUP)
        wait_until(lambda: one.output == "asked to stop\n", 60)
        one.signal(signal.SIGTERM)
        code, output = one.ended()
    assert code == 3 and output.splitlines() == ["asked to stop"]


@pytest.mark.heavy  # takes long
def test_a_job_server_that_signals_both_asks_once(supervised):
    with head() as server:
        one = supervised(SLEEP, f"127.0.0.1:{server.getsockname()[1]}", after=0.5)
        os.kill(one.child, signal.SIGTERM)
        one.signal(signal.SIGTERM)
        os.kill(one.child, signal.SIGTERM)
        code, output = one.ended()
    assert code == 3 and output.splitlines() == ["asked to stop"]


def test_a_second_signal_ends_at_once(supervised):
    with head() as server:
        one = supervised(SLEEP, f"127.0.0.1:{server.getsockname()[1]}", after=300)
        one.signal(signal.SIGINT)
        wait_until(lambda: one.output == "asked to stop\n", 60)
        one.signal(signal.SIGINT)
        code, output = one.ended(50)
    assert code == 3 and output.splitlines()[1:] == [
        "",
        "Stopped at once. What was committed is kept.",
        "Resume:  sweep --some 'a b'",
    ]


def test_a_child_that_was_ended_leaves_the_terminal_its_cursor(tmp_path, monkeypatch, capsys):
    child = tmp_path / "child"
    child.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.setattr(sys, "argv", [str(child)])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert supervisor.supervised([], "127.0.0.1:1") == 3
    assert capsys.readouterr().out == "\x1b[?25h"


@pytest.mark.heavy  # takes seconds
def test_a_child_whose_parent_is_killed_stops_by_itself(supervised):
    with head() as server:
        one = supervised(SLEEP, f"127.0.0.1:{server.getsockname()[1]}")
        one.process.kill()
        wait_until(lambda: not psutil.pid_exists(one.child), 60)
    assert one.output == "asked to stop\n"


@pytest.mark.heavy
def test_a_head_that_is_lost_stops_the_driver(supervised):
    with head() as server:
        one = supervised(SLEEP, f"127.0.0.1:{server.getsockname()[1]}")
        time.sleep(1.0)
        assert one.process.poll() is None
    code, output = one.ended()
    assert code == 3 and output.splitlines() == ["asked to stop"]


@pytest.mark.heavy
def test_a_driver_that_hangs_without_its_head_is_ended(supervised):
    one = supervised(SLEEP, after=300)  # nobody has ever answered there
    code, output = one.ended()
    assert code == 3 and re.search(r"asked to stop\n\nError: the driver was ended \(signal 9\)", output)
