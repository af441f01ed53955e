"""What the tests share: a small real plan, real runs of the command, and what they left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest
import yaml
from filelock import FileLock
from s3 import s3, s3_server  # noqa: F401  # fixtures

# The same examples in every run; other ones are had with --hypothesis-seed.
hypothesis.settings.register_profile("deterministic", derandomize=True, deadline=None)
hypothesis.settings.load_profile("deterministic")

SWEEP = [sys.executable, "-m", "sweep.cli"]


@pytest.hookimpl(wrapper=True)  # pytest-xdist reads the groups in the hook that is wrapped
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Keep the tests of a file in one process, for what they share; those with a group of their own come first."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))
    yield
    if config.getoption("loadgroup", False) and not all("@" in item.nodeid for item in items):
        raise pytest.UsageError("This pytest-xdist cannot tell this pytest's tests which group they are of.")


# A builder that misbehaves when told to; real Keras all the same.
BUILDER = """
import os
import signal
import time

import keras


def build(units, rate, behaviour="fine", normalizer=None):
    if behaviour == "raises":
        raise RuntimeError(f"cannot build {units} units")
    if behaviour == "exits":
        raise SystemExit("leaving")
    if behaviour == "uncompiled":
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    if behaviour == "sleeps":
        time.sleep(1000)
    if behaviour == "hangs":  # nothing in Python is reached any more
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(1000)
    if behaviour == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "dies once":
        mark = os.environ["SWEEP_TEST_MARK"]
        if not os.path.exists(mark):
            open(mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(1)(keras.layers.Dense(units, activation="relu")(normalizer(inputs)))
    model = keras.Model(inputs, outputs)
    loss = (lambda y, p: keras.ops.mean(p - y) * float("nan")) if behaviour == "nan" else "mse"
    model.compile(loss=loss, metrics=["mae"], optimizer=keras.optimizers.SGD(rate))
    return model
"""


def write_table(path: Path, rows: int = 120) -> pd.DataFrame:
    """Write a table of three numbers, one category of two and a target that depends on them."""
    chance = np.random.default_rng(7)
    table = pd.DataFrame({name: chance.normal(size=rows).round(4) for name in ("a", "b")})
    table["kind"] = chance.choice(["x", "y"], size=rows)
    table["target"] = (2 * table["a"] - table["b"] + (table["kind"] == "x")).round(4)
    table.to_csv(path, index=False)
    return table


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with a hostile name, holding the small table and the builder."""
    folder = tmp_path / "a folder, with spaces and é"
    folder.mkdir()
    write_table(folder / "table.csv")
    (folder / "model.py").write_text(BUILDER)
    return folder


def small_plan(**changes: Any) -> dict[str, Any]:
    """Return the data of a plan of 12 points that train in about a second each."""
    plan: dict[str, Any] = {
        "data": {"path": "table.csv", "target": "target"},
        "builder": "model.py:build",
        "space": {"units": [2, 3, 4], "rate": [0.01, 0.02], "batch_size": [16, 32]},
        "fit": {"epochs": 4},
        "scheduler": "none",
        "timeout_s": 60,
    }
    return {**plan, **changes}


def write_plan(folder: Path, **changes: Any) -> Path:
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(small_plan(**changes)))
    return path


class Sweeps:
    """Runs the command in a folder as a person would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.started: list[subprocess.Popen[str]] = []
        self.wrapper: tuple[str, ...] = ()  # words in front of the command

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*self.wrapper, *SWEEP, *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, timeout_s: float = 300, **environment: str) -> tuple[int, str]:
        process = self.start(*arguments, **environment)
        output, _ = process.communicate(timeout=timeout_s)
        return process.returncode, output

    def rows(self) -> pd.DataFrame:
        parts = list((self.out / "points").glob("*.parquet"))  # there may be none yet, nor the folder
        return pd.read_parquet(self.out / "points") if parts else pd.DataFrame({"idx": []})

    def wait_for(
        self, condition: Callable[[], Any], process: subprocess.Popen[str], timeout_s: float = 240
    ) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "the condition did not come true in time"
            time.sleep(0.05)


@pytest.fixture
def sweeps(workplace: Path) -> Iterator[Sweeps]:
    """The command in the `workplace`; whatever is still running at the end is killed."""
    made = Sweeps(workplace)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


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


SMALL_SPACE = {
    "hidden": [[8], [8, 4]],
    "activation": ["relu"],
    "use_batch": [True],
    "dropout_rate": [0, 0.5],
    "kernel_regularizer": [None, "l2"],
}


@pytest.fixture(scope="session")
def small_run(tmp_path_factory, worker_id):
    """A run of eight points of the reference task, four by each engine; made once for all processes of the tests."""
    place = tmp_path_factory.getbasetemp()
    place = (place if worker_id == "master" else place.parent) / "small run"
    with FileLock(f"{place}.lock"):
        if not (place / "made").exists():
            make_small_run(place)
            (place / "made").touch()
    return place / "out"


def make_small_run(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    plan = {"data": "abalone", "builder": "trainables.abalone:build_and_compile_model", "space": SMALL_SPACE}
    plan |= {"fit": {"epochs": 3, "batch_size": 128}, "scheduler": "none"}
    (place / "plan.yaml").write_text(yaml.safe_dump(plan))
    for engine, idx in (("fused", "0,1,2,3"), ("keras", "4,5,6,7")):
        command = [
            *SWEEP,
            "run",
            "plan.yaml",
            "--out",
            "out",
            "--engine",
            engine,
            "--idx",
            idx,
            "--cpus",
            "1",
        ]
        subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=300)
