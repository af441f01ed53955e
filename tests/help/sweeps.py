"""The command `sweep`, run in a folder as a person would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from tests.help.repository import ROOT

SWEEP = [sys.executable, "-m", "sweep"]

BY_NUMPY = """
import functools, sys
from pathlib import Path

sys.path.append({root!r})  # behind the folder of the sweep

from sweep.commands.main import main
from sweep.driver import runner


def by_numpy(*arguments, **named):
    from ray import cloudpickle

    from tests.help import numpy_trial

    cloudpickle.register_pickle_by_value(numpy_trial)  # for workers that cannot import the tests
    numpy_trial.NumpyEngine.hold, numpy_trial.NumpyEngine.record = Path({hold!r}), Path({record!r})
    return run(*arguments, **named, trainable=numpy_trial.NumpyTrial)


run, runner.run = runner.run, by_numpy
main()
"""


class Sweeps:
    """Runs the command in a folder as a person would.

    Args:
        folder: the folder, with a plan's builder and table in it.
        by_numpy: whether `NumpyTrial` makes up the training; the files `hold` and `record` of the folder are then its
            engine's.
    """

    def __init__(self, folder: Path, by_numpy: bool = False) -> None:
        self.folder = folder
        self.hold, self.record = folder / "hold", folder / "record"
        self.command = SWEEP
        if by_numpy:
            script = folder / "by_numpy"  # not .py: whoever starts it again calls it by its path then
            script.write_text(BY_NUMPY.format(root=str(ROOT), hold=str(self.hold), record=str(self.record)))
            self.command = [sys.executable, str(script)]
        self.out = folder / "out"
        self.started: list[subprocess.Popen[str]] = []
        self.wrapper: tuple[str, ...] = ()  # words in front of the command

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*self.wrapper, *self.command, *arguments],
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

    def begun(self) -> list[dict[str, Any]]:
        """Return the trials that have begun, each with its points and the labels of its node; only by NumPy."""
        return [json.loads(line) for line in self.record.read_text().splitlines()]

    def wait_for(
        self, condition: Callable[[], Any], process: subprocess.Popen[str], timeout_s: float = 240
    ) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "the condition did not come true in time"
            time.sleep(0.05)


def is_trial(process: psutil.Process) -> bool:
    """Return whether this is a worker of Ray that trains."""
    try:
        return any(word in " ".join(process.cmdline()) for word in ("Trainable", "Trial"))
    except psutil.Error:
        return False


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())
