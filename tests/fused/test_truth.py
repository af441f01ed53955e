"""Builders of many kinds: every point has the numbers of plain Keras, whichever engine trains it."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from results.space import Space
from tests.help import truth
from tests.help.engines import train
from tests.help.truth import CASES, oracle
from trainables.builder import find
from trainables.engine import Work
from trainables.settings import Callbacks, EarlyStopping, Fit, ReduceLROnPlateau, Training
from trainables.table.data import Table

FIT = {"epochs": 5, "batch_size": 32, "validation_split": 0.2}
FOLDER = Path(truth.__file__).parent

RTOL = 2e-4
"""Of whole curves. The cases are no chaotic ones."""


def table(target):
    """A table of 330 train rows, which leave a smaller last batch, and 80 test rows."""
    chance = np.random.default_rng(3)
    x = chance.normal(size=(410, 6)).astype("float32")
    score = x[:, 0] - 2 * x[:, 1] + 0.5 * x[:, 2] * x[:, 3] + 0.3 * chance.normal(size=410)
    y = {"number": score, "class": score > np.median(score), "rare": score > np.quantile(score, 7 / 8)}[
        target
    ]
    y = y.astype("float32")
    return Table(x[:330], y[:330], x[330:], y[330:], tuple(f"x{i}" for i in range(6)), "y", "0")


def work_of(case):
    builder = find.find(f"{FOLDER / case.file}.py:{case.function}", Path.cwd())
    rules = Callbacks(EarlyStopping(patience=3), ReduceLROnPlateau(factor=0.3, patience=1, min_lr=1e-5))
    return Work(Space(case.space), builder, table(case.target), Training(Fit(**FIT), rules))


class Oracle:
    """Plain Keras in a fresh process, which trains the points of all cases in their order, beside the tests.

    Args:
        folder: for its input.
    """

    def __init__(self, folder):
        asked = {"fit": FIT, "cases": []}
        for case in CASES:
            t, space = table(case.target), Space(case.space)
            asked["cases"].append({
                "path": str(FOLDER / f"{case.file}.py"), "function": case.function,
                "configs": [space[idx] for idx in compared(case)],
                "data": [a.tolist() for a in (t.x_train, t.y_train, t.x_test, t.y_test)],
            })  # fmt: skip
        path = folder / "cases.json"
        path.write_text(json.dumps(asked))
        command = [sys.executable, oracle.__file__, str(path)]
        self.errors = (folder / "errors").open("w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.found = {}

    def __getitem__(self, case):
        """Return curve and metrics of the compared points of a case, by idx."""
        while str(case) not in self.found:
            line = self.process.stdout.readline()
            if not line:
                self.errors.seek(0)
                raise AssertionError(self.errors.read()[-3000:])
            done = CASES[len(self.found)]
            self.found[str(done)] = dict(zip(compared(done), json.loads(line), strict=True))
        return self.found[str(case)]


def compared(case):
    """The points that plain Keras trains too: the last one, which has the last value of each axis, and another."""
    last = len(Space(case.space)) - 1
    return [last, int(np.random.default_rng(len(str(case))).integers(last))]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    made = Oracle(tmp_path_factory.mktemp("oracle"))
    yield made
    made.process.kill()
    made.process.wait()
    made.errors.close()


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("truth")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_point_has_the_numbers_of_plain_keras(case, expected):
    work = work_of(case)
    found, reasons = train(work, range(len(work.space)))
    assert sorted(found) == list(range(len(work.space)))
    assert all(row["error"] is None for row, *_ in found.values())
    assert {row["engine"] for row, *_ in found.values()} <= set(case.engines), reasons
    for idx, plain in expected[case].items():
        row, curve, _ = found[idx]
        assert {name for name in curve if name != "learning_rate"} == set(plain["curve"][0]) - {
            "learning_rate"
        }
        for name in plain["curve"][0]:
            column = [entry[name] for entry in plain["curve"]]
            np.testing.assert_allclose(
                curve[name], column, RTOL, 1e-6, err_msg=f"{work.space[idx]} {name} {reasons.get(idx)}"
            )
        assert row["best_epoch"] == plain["best_epoch"]
        for name, value in plain["metrics"].items():
            assert math.isclose(row[name], value, rel_tol=RTOL, abs_tol=1e-6), (work.space[idx], name)
