"""What the tests share: a small real plan, real runs of the command, and what they left behind."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pandas as pd
import pytest
import yaml
from filelock import FileLock

from results.folder.run_folder import RunFolder
from results.store.store import Store
from sweep import Plan
from tests.help.plans import SMALL_SPACE, write_folder
from tests.help.quick import keep_quick
from tests.help.rows import finished
from tests.help.s3 import s3, s3_server  # noqa: F401  # fixtures
from tests.help.sweeps import SWEEP, Sweeps
from trainables.fused.internals import xla

# All modules stay. To look through them for garbage would take a quarter of the time of their import, and 6% of the time
# of tests that trace programs; `pytest_collection_finish` goes on from here.
gc.disable()

# The same examples in every run; other ones are had with --hypothesis-seed.
hypothesis.settings.register_profile("deterministic", derandomize=True, deadline=None)
hypothesis.settings.load_profile("deterministic")

# The threads of scikit-learn's trees wait for each other in a loop, on cores that the other tests need.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray's workers have the niceness 15, with which they would wait for minutes beside other tests. Ray itself goes first.
os.environ.setdefault("RAY_worker_niceness", "5")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only tests that load neither Ray nor TensorFlow")


def pytest_configure(config: pytest.Config) -> None:
    # A script starts what it leaves in the background deaf to Ctrl-C, and so would be all that the tests start.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    xla.set_up()  # as in a worker; programs that are compiled alike in each run come from this user's cache
    if config.getoption("quick"):
        stand_ins = tempfile.TemporaryDirectory(prefix="quick-")
        config.add_cleanup(stand_ins.cleanup)
        keep_quick(Path(stand_ins.name))


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    gc.enable()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # else some bindings report at the end what was never collected


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.config.getoption("quick") and (item.get_closest_marker("heavy") or _asks_s3(item)):
        pytest.skip("is heavy")


def _asks_s3(item: pytest.Item) -> bool:
    """Return whether the test talks to a server: most of its time it waits for answers."""
    return "s3_server" in getattr(item, "fixturenames", ())


@pytest.hookimpl(wrapper=True)  # pytest-xdist reads the groups in the hook that is wrapped
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Keep the tests of a file in one process, for what they share; run the groups that take longest first.

    So no long test runs alone at the end. Tests with a group of their own are taken for long ones. What CI runs beside the
    other tests is slow.
    """
    seconds: dict[str, float] = {}
    for item in items:
        if item.get_closest_marker("ci"):
            item.add_marker(pytest.mark.slow)
        own = item.get_closest_marker("xdist_group")
        if own is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(config.rootpath))))
        long = item.get_closest_marker("long")
        taken = float(long.args[0]) if long else 10.0 if own else 0.0
        seconds[_group(item)] = max(taken, seconds.get(_group(item), 0.0))
    items.sort(key=lambda item: -seconds[_group(item)])
    yield
    if config.getoption("loadgroup", False) and not all("@" in item.nodeid for item in items):
        raise pytest.UsageError("This pytest-xdist cannot tell this pytest's tests which group they are of.")


def _group(item: pytest.Item) -> str:
    marker = item.get_closest_marker("xdist_group")
    assert marker is not None
    return str(marker.args[0])


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with a hostile name, holding the small table and the builder."""
    folder = tmp_path / "a folder, with spaces and é"
    write_folder(folder)
    return folder


@pytest.fixture
def sweeps(workplace: Path) -> Iterator[Sweeps]:
    """The command in the `workplace`; whatever is still running at the end is killed."""
    yield from ended(Sweeps(workplace))


@pytest.fixture
def numpy_sweeps(workplace: Path) -> Iterator[Sweeps]:
    """The command in the `workplace`, with training that is made up: real Ray and real files, no TensorFlow."""
    yield from ended(Sweeps(workplace, by_numpy=True))


def ended(made: Sweeps) -> Iterator[Sweeps]:
    yield made
    for process in made.started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB, mounted for the test; to mount one needs root."""
    disk = tmp_path / "tiny disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture(scope="session")
def small_run(pytestconfig, tmp_path_factory, worker_id):
    """A run of eight points of the reference task, four by each engine; made once for all processes of the tests."""
    if pytestconfig.getoption("quick"):
        pytest.skip("needs a run that trains models")
    position = tmp_path_factory.getbasetemp()
    position = (position if worker_id == "master" else position.parent) / "small run"
    with FileLock(f"{position}.lock"):
        if not (position / "made").exists():
            make_small_run(position)
            (position / "made").touch()
    return position / "out"


def make_small_run(position: Path) -> None:
    shutil.rmtree(position, ignore_errors=True)
    position.mkdir()
    plan = {"data": "abalone", "builder": "trainables.abalone:build_and_compile_model", "space": SMALL_SPACE}
    plan |= {"fit": {"epochs": 3, "batch_size": 128}, "scheduler": "none"}
    (position / "plan.yaml").write_text(yaml.safe_dump(plan))
    command = [*SWEEP, "run", "plan.yaml", "--out", "out", "--cpus", "1"]
    subprocess.run(command, cwd=position, check=True, capture_output=True, timeout=300)
    engines = pd.read_parquet(position / "out" / "points").sort_values("idx")["engine"]
    assert engines.tolist() == ["native", "native", "keras", "keras"] * 2


@pytest.fixture
def abalone_run(tmp_path, monkeypatch):
    """A folder with the default plan's columns; its rows need no training to be read."""
    folder = RunFolder(tmp_path / "runs" / "abalone")
    folder.create()
    space = Plan.load().space
    Store(folder, space).commit([finished(idx) for idx in range(0, 17280, 1000)])
    monkeypatch.chdir(tmp_path)
    return folder
