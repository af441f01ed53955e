"""Ray on this machine starts for one sweep and ends with it, and a start that fails is one message."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
import ray

from cluster.connect import ray_internals
from cluster.connect.local import available_cpus, check_writable, started
from cluster.connect.nodes import WITHOUT_PRELOAD, beside_driver
from cluster.errors import ClusterError


def test_cores_are_those_this_process_may_use():
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
    code += "from cluster.connect.local import available_cpus; print(available_cpus())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "1\n"
    assert available_cpus() == len(os.sched_getaffinity(0))


def test_a_system_that_binds_no_process_to_cores_has_all_of_them(monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert available_cpus() == 7


@pytest.mark.heavy
def test_ray_is_there_for_the_block_alone_and_has_workers_wherever_the_interpreter_is(tmp_path):
    code = (
        "import psutil, ray\nfrom cluster.connect.local import started\n"
        "with started(cpus=3) as found:\n    print(found['CPU'], ray.is_initialized())\n"
        "    names = [' '.join(one.cmdline()) for one in psutil.Process().children(recursive=True)]\n"
        "    print(*(any(part in name for name in names) for part in ('raylet', 'dashboard.py', '/monitor.py')))\n"
        "    print(ray.get(ray.remote(lambda: 42).remote(), timeout=50))\n"
        "print(ray.is_initialized())"
    )
    folder = tmp_path / "a folder é"
    folder.symlink_to(sys.prefix, target_is_directory=True)
    # An address in the environment is another cluster's; this one is always a new one of this machine.
    environment = {**os.environ, "RAY_ADDRESS": "192.0.2.1:6379"}
    command = [folder / "bin" / "python", "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.stdout.split() == ["3.0", "True", "True", "False", "False", "42", "False"], ran.stderr


class Looker:
    """An actor that says what its worker had before it."""

    def __init__(self):
        self.had = "sched" in sys.modules

    def seen(self):
        return self.had, os.environ.get(WITHOUT_PRELOAD), os.environ.get(ray_internals.CHDIR_VARIABLE)


@pytest.mark.ci
@pytest.mark.heavy
def test_a_trial_begins_in_a_worker_that_has_preloaded_a_module_and_another_actor_does_not_take_it():
    with started(cpus=1, preload="sched"):
        other = beside_driver(Looker)
        trial = ray_internals._found(ray_internals.TRIAL_CLASSES)().get(Looker).remote()
        assert ray.get(trial.seen.remote(), timeout=50) == (True, None, "0")
        assert ray.get(other.seen.remote(), timeout=50)[1] == "1"
    assert ray_internals.PRELOAD_VARIABLE not in os.environ


@pytest.mark.heavy
def test_what_is_started_outlives_the_terminal_and_this_process_hears_of_its_loss():
    """The kernel tells the whole group of processes, and a sweep that stops commits by the help of Ray."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with started(cpus=1):
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
        needed = [one for one in psutil.Process().children() if one.name() in ray_internals.NEEDED]
        ignored = [
            re.search(r"SigIgn:\s*(\w+)", Path(f"/proc/{one.pid}/status").read_text())[1] for one in needed
        ]
    signal.signal(signal.SIGHUP, before)
    assert len(needed) == 2 and all(int(mask, 16) & 1 << signal.SIGHUP - 1 for mask in ignored)


@pytest.mark.heavy
def test_a_start_that_takes_too_long_is_one_message(monkeypatch):
    """Ray's limit is fixed, and no test can make a machine so busy; the words are those of Ray 2.60."""
    words = "The current node timed out during startup. This could happen because some of the raylet failed to startup"
    monkeypatch.setattr(
        ray._private.node.Node, "__init__", lambda *_, **__: (_ for _ in ()).throw(Exception(words))
    )
    with pytest.raises(ClusterError, match="run the same command again"), started(cpus=1):
        pass


@pytest.mark.parametrize("variable", ["HOME", "TMPDIR", "RAY_TMPDIR"])
def test_a_place_where_ray_cannot_write_is_named_before_ray_is_started(monkeypatch, tmp_path, variable):
    (tmp_path / "a file").write_text("so no folder can be made in it")
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE", "RAY_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    check_writable()
    monkeypatch.setenv(variable, str(tmp_path / "a file"))
    with pytest.raises(ClusterError, match=f"a file/.*: cannot be written.* variable {variable} ") as error:
        check_writable()
    assert "\n" not in str(error.value)
    with pytest.raises(ClusterError, match="cannot be written"), started(cpus=1):
        pass


@pytest.fixture
def short_folder():
    """A folder whose path is short enough for sockets, which `tmp_path` is not."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_path_that_is_too_long_for_sockets_is_named_before_ray_is_started(
    monkeypatch, short_folder, variable
):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    rest = f"/ray/session_2026-01-01_00-00-00_000000_{os.getpid()}/sockets/plasma_store"
    longest = short_folder / ("x" * (107 - len(rest) - len(f"{short_folder}/")))
    monkeypatch.setenv(variable, str(longest))
    check_writable()
    monkeypatch.setenv(variable, f"{longest}x")
    with pytest.raises(ClusterError, match=r"x/ray: the path is too long .* 108 bytes .* RAY_TMPDIR=/tmp$"):
        check_writable()


def test_a_mac_s_long_folder_for_files_is_not_that_of_ray(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("x" * 90)))
    check_writable()
