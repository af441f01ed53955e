"""At most one process holds the lease of a run on an object store, and a holder that lost it stops."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from results.folder import lease as module
from results.folder import retry
from results.folder.errors import FolderError, HeldError
from results.folder.lease import Lease
from results.folder.path import any_path
from results.folder.run_folder import RunFolder

OUT = "s3://bucket/run"
HOLD = """
import sys, time
from results.folder import lease
from results.folder.run_folder import RunFolder
lease.SETTLE_S, lease.BEAT_EVERY_S = 0.1, float(sys.argv[2])
folder = RunFolder(sys.argv[1])
folder.create()
with folder.held():
    print("held", flush=True)
    for line in sys.stdin:
        try:
            folder.check_held()
            print("mine", flush=True)
        except OSError as error:
            print(error, flush=True)
"""


@pytest.fixture
def folder(s3, monkeypatch):
    monkeypatch.setattr(module, "SETTLE_S", 0.1)
    monkeypatch.setattr(module, "BEAT_EVERY_S", 0.2)
    made = RunFolder(OUT)
    made.create()
    return made


@pytest.fixture
def holder(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, OUT, "0.2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def ask(holder):
    holder.stdin.write("\n")
    holder.stdin.flush()
    return holder.stdout.readline()


def test_a_second_holder_is_told_who_the_first_is(folder, holder):
    assert folder.is_held()
    with pytest.raises(HeldError) as error, folder.held():
        pass
    for part in (OUT, f"process {holder.pid}", socket.gethostname(), "since 20"):
        assert part in str(error.value)
    holder.send_signal(signal.SIGKILL)  # of this machine, so it is known to be dead
    holder.wait()
    assert not folder.is_held()
    with folder.held():
        assert folder.is_held() and f"process {os.getpid()}" in folder.holder()
        folder.check_held()
    assert not folder.is_held() and not (folder.path / "lock").is_file()
    assert [path.name for path in folder.path.glob("*")] == []


def from_elsewhere(path):
    found = json.loads(path.read_text())
    path.write_bytes(json.dumps({**found, "machine": "elsewhere", "host": "far"}).encode())


def test_a_lease_of_elsewhere_is_free_when_it_no_longer_beats(folder, holder, monkeypatch):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    from_elsewhere(folder.lock)
    with pytest.raises(HeldError, match="on far since"), folder.held():
        pass
    assert folder.is_held()
    monkeypatch.setattr(module, "STALE_AFTER_S", 2.0)
    time.sleep(2.5)
    assert not folder.is_held()
    with folder.held():
        folder.check_held()


def test_a_holder_is_alive_though_the_clock_of_the_machine_was_set(folder, holder, monkeypatch):
    holder.send_signal(signal.SIGSTOP)  # so that it does not write over what the test writes
    written, real = json.loads(folder.lock.read_text()), module._started
    monkeypatch.setattr(module, "_started", lambda pid: real(pid) + 3600)
    assert folder.is_held()
    with pytest.raises(HeldError, match=f"process {holder.pid}"), folder.held():
        pass
    of_earlier_version = {name: value for name, value in written.items() if name != "ticks"}
    folder.lock.write_bytes(json.dumps(of_earlier_version).encode())
    assert not folder.is_held()  # it cannot be told from a later process of this number
    monkeypatch.setattr(module, "_started", lambda pid: real(pid) + 3)
    assert folder.is_held()
    folder.lock.write_bytes(json.dumps({**written, "ticks": written["ticks"] - 1}).encode())
    assert not folder.is_held()  # a later process has the number


def test_a_holder_that_was_suspended_finds_out_and_stops(folder, holder, monkeypatch):
    assert ask(holder) == "mine\n"
    holder.send_signal(signal.SIGSTOP)
    from_elsewhere(folder.lock)
    monkeypatch.setattr(module, "STALE_AFTER_S", 1.0)
    time.sleep(2.0)
    with folder.held():
        holder.send_signal(signal.SIGCONT)
        said = ask(holder)
        assert f"was taken over by process {os.getpid()}" in said and "stop it and run" in said
        folder.check_held()
        time.sleep(0.5)
        folder.check_held()  # the other has not written over it


def test_of_two_who_take_it_at_once_one_gets_it(folder, monkeypatch):
    one, two = Lease(any_path(OUT) / "lock"), Lease(any_path(OUT) / "lock")
    monkeypatch.setattr(module.time, "sleep", lambda s: two._write())  # while the first waits
    assert "process" in str(one.take())
    one.release()
    assert two.take() is None or two._token == json.loads(folder.lock.read_text())["token"]
    two.release()


def test_beats_go_on_when_the_store_was_away(folder, s3):
    with folder.held():
        before = folder.lock.stat().st_mtime_ns
        s3.decide = lambda method, path: "403"
        time.sleep(0.6)
        s3.decide = lambda method, path: None
        deadline = time.monotonic() + 60
        while folder.lock.stat().st_mtime_ns <= before and time.monotonic() < deadline:
            time.sleep(0.1)
        assert folder.lock.stat().st_mtime_ns > before
        folder.check_held()


def test_a_store_takes_nothing_from_who_lost_the_lease(folder, monkeypatch):
    monkeypatch.setattr(module, "BEAT_EVERY_S", 100.0)  # no beat comes between
    from results.store.store import Store
    from tests.help.rows import AXES, finished

    with folder.held():
        store = Store(folder, AXES)
        store.commit([finished(1)])
        Lease(folder.lock)._write()  # another process
        store.commit(
            [finished(3)]
        )  # the last beat is fresh: nobody may have taken it, so the store is not asked
        folder._keeper._leases[0]._beaten_at -= 201
        with pytest.raises(FolderError, match="was taken over by"):
            store.commit([finished(2)])
    assert [path.name for path in (folder.spool / "points").glob("*")]
    store = Store(folder, AXES)
    assert 1 in store and 2 in store and 3 in store  # what was finished is not lost


def test_a_store_takes_no_points_of_who_was_cut_off_and_lost_the_lease(folder, s3, monkeypatch):
    monkeypatch.setattr(module, "BEAT_EVERY_S", 100.0)  # no beat comes between
    from results.store.store import Store
    from tests.help.rows import AXES, finished

    def take(pause_s):
        monkeypatch.setattr(retry, "time", time)
        Lease(folder.lock)._write()
        folder._keeper._leases[0]._beaten_at -= 201

    def decide(method, path):
        if method != "PUT" or "/points/part-00002" not in path:
            return None
        # Another process takes the lease in the pause before the request is repeated.
        monkeypatch.setattr(retry, "time", SimpleNamespace(monotonic=time.monotonic, sleep=take))
        s3.decide = lambda method, path: None
        return "503"

    with folder.held():
        store = Store(folder, AXES)
        store.commit([finished(1)])
        s3.decide = decide
        with pytest.raises(FolderError, match="was taken over by"):
            store.commit([finished(2)])
    assert [path.name[:10] for path in folder.points.glob("*")] == ["part-00000", "part-00001"]
    assert len(list((folder.spool / "points").glob("*"))) == 1


def test_before_each_put_of_a_commit_it_is_asked_who_holds_the_run(folder, s3, monkeypatch):
    from results.store.store import Store
    from tests.help.rows import AXES, finished

    store = Store(folder, AXES)
    store.commit([finished(1)])
    s3.seen.clear()

    def check():
        if any(method == "PUT" and "/curves/" in path for method, path in s3.seen):
            raise FolderError("taken over")

    monkeypatch.setattr(store._outbox, "_check", check)
    with pytest.raises(FolderError, match="taken over"):
        store.commit([finished(2)])
    puts = [path.split("/")[-2] for method, path in s3.seen if method == "PUT" and ".parquet" in path]
    assert puts == ["weights", "curves"]


def test_who_was_away_from_the_store_for_long_beats_before_it_goes_on(folder, monkeypatch):
    monkeypatch.setattr(module, "BEAT_EVERY_S", 100.0)
    with folder.held():
        (lease,) = folder._keeper._leases
        lease._beaten_at -= 201
        folder.lock.unlink()
        folder.check_held()
        assert json.loads(folder.lock.read_text())["token"] == lease._token
        assert module._now_s() - lease._beaten_at < 100


def test_what_it_says_has_no_secret_and_is_for_its_owner(folder):
    with folder.held():
        text = folder.lock.read_text()
    from tests.help.s3 import CANARY

    assert CANARY not in text and folder.state.stat().st_mode & 0o77 == 0


def test_a_process_that_could_not_say_that_it_let_go_may_come_again(folder, s3):
    with folder.held():
        s3.decide = lambda method, path: "403"
    s3.decide = lambda method, path: None
    assert folder.lock.is_file()
    with folder.held():
        folder.check_held()
