"""Runs plain Keras in a process of its own, beside the tests, and compares points with what it gives."""

import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.help.truth import oracle
from trainables.table.data import Table


@dataclass(frozen=True)
class Task:
    """Points of one builder.

    Attributes:
        path, function: the builder.
        configs: the arguments of the builder for each point.
        table: the data.
    """

    path: Path
    function: str
    configs: list
    table: Table


class Oracle:
    """The process, which trains the points of all tasks in their order. Use it in a `with` block.

    Args:
        folder: for its input.
        fit: epochs, batch size and validation split of all points.
        tasks: what to train.
    """

    def __init__(self, folder, fit, tasks):
        asked = {"fit": fit, "cases": []}
        for task in tasks:
            arrays = task.table.x_train, task.table.y_train, task.table.x_test, task.table.y_test
            asked["cases"].append({
                "path": str(task.path), "function": task.function, "configs": task.configs,
                "data": [array.tolist() for array in arrays],
            })  # fmt: skip
        path = folder / "cases.json"
        path.write_text(json.dumps(asked))
        command = [sys.executable, oracle.__file__, str(path)]
        self._errors = (folder / "errors").open("w+")
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[3]),
        }  # the builders import from tests
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment
        )
        self._found = []

    def __getitem__(self, number):
        """Return curve and metrics of the points of a task; wait for them if need be."""
        while len(self._found) <= number:
            line = self._process.stdout.readline()
            if not line:
                self._errors.seek(0)
                raise AssertionError(self._errors.read()[-3000:])
            self._found.append(json.loads(line))
        return self._found[number]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.kill()
        self._process.wait()
        self._errors.close()


def assert_equal(found, plain, rtol):
    """Compare a point that an engine has trained with plain Keras: whole curves of all logs, and all metrics."""
    row, curve, _ = found
    assert {name for name in curve if name != "learning_rate"} == set(plain["curve"][0]) - {"learning_rate"}
    for name in plain["curve"][0]:
        column = [entry[name] for entry in plain["curve"]]
        np.testing.assert_allclose(curve[name], column, rtol, 1e-6, err_msg=f"{name}, engine {row['engine']}")
    assert row["best_epoch"] == plain["best_epoch"]
    for name, value in plain["metrics"].items():
        assert math.isclose(row[name], value, rel_tol=rtol, abs_tol=1e-6), (name, row[name], value)
