"""The hold of a folder on this machine: one process has it, and it ends with that process."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from results.folder import keeper
from results.folder.errors import FolderError, HeldError
from results.folder.run_folder import RunFolder

HOLD = """
import sys, time, pathlib
from results.folder.run_folder import RunFolder
with RunFolder(pathlib.Path(sys.argv[1])).held():
    print("held", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "deep" / "a run é")
    made.create()
    return made


def test_a_second_holder_is_told_who_the_first_is(folder):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    assert folder.is_held()
    with pytest.raises(HeldError) as error, folder.held():
        pass
    for part in (str(folder.path), f"process {holder.pid}", socket.gethostname(), "since 20"):
        assert part in str(error.value)
    # The lock of a dead holder is free at once.
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert not folder.is_held()
    with folder.held():
        assert folder.is_held()
        assert f"process {os.getpid()}" in folder.holder()
    assert not folder.is_held()


def test_children_do_not_inherit_the_hold(folder):
    with folder.held():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"], close_fds=False)
    deadline = time.monotonic() + 60  # the kernel closes the child's copy an instant after it has started
    while folder.is_held() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not folder.is_held()
    child.kill()
    child.wait()


def test_a_folder_that_never_was_is_not_held(tmp_path):
    assert not RunFolder(tmp_path / "none").is_held()


def test_a_path_that_cannot_be_a_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match=r"file.*cannot be written"):
        RunFolder(tmp_path / "file").create()


def test_a_file_system_without_locks_is_named_with_a_remedy(folder, monkeypatch):
    def refuse(file, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(keeper.fcntl, "flock", refuse)
    with (
        pytest.raises(FolderError, match=r"a run é: its file system lets no process lock.*object store"),
        folder.held(),
    ):
        pass
    assert not folder.is_held()
