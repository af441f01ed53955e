"""Real children with the names of Ray's processes, which end in every way."""

import contextlib
import queue
import shutil
import signal
import subprocess

import pytest

from cluster.connect.losses import noticed


@pytest.fixture
def child(tmp_path):
    """Starts a copy of the shell under a name, and what it is to run."""
    started = []

    def start(name, script):
        program = tmp_path / name
        shutil.copy(shutil.which("sh"), program)
        started.append(subprocess.Popen([program, "-c", script], stdin=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_needed_process_that_is_killed_is_told_of_at_once(child):
    said = queue.Queue()
    for name in ("raylet", "gcs_server"):
        process = child(name, "read line")
        with noticed(said.put):
            process.send_signal(signal.SIGKILL)
            assert said.get(timeout=60) == f"{name} was killed by signal 9"
        assert process.wait() == -9  # its status was left to who started it


def test_one_that_ends_by_itself_is_told_of_too(child):
    said = queue.Queue()
    process = child("raylet", "read line; exit 5")
    with noticed(said.put):
        process.stdin.close()
        assert said.get(timeout=60) == "raylet ended with exit status 5"


def test_nothing_is_said_of_others_nor_of_what_ends_after_the_block(child):
    said = queue.Queue()
    needed, other = child("raylet", "read line"), child("rayletter", "read line")
    with noticed(said.put):
        other.kill()
        other.wait()
    needed.kill()
    needed.wait()
    with contextlib.suppress(queue.Empty):
        pytest.fail(said.get(timeout=0.5))


def test_a_system_without_waitid_notices_it_too(child, monkeypatch):
    monkeypatch.delattr("os.waitid")
    said = queue.Queue()
    process = child("raylet", "read line")
    with noticed(said.put):
        process.send_signal(signal.SIGKILL)
        assert said.get(timeout=60) == "raylet ended"
    assert process.wait() == -9
