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


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What plain Keras gives for all points of all cases, from one fresh process."""
    asked = {"fit": FIT, "cases": []}
    for case in CASES:
        t = table(case.target)
        asked["cases"].append({
            "path": str(FOLDER / f"{case.file}.py"), "function": case.function, "configs": list(Space(case.space)),
            "data": [a.tolist() for a in (t.x_train, t.y_train, t.x_test, t.y_test)],
        })  # fmt: skip
    path = tmp_path_factory.mktemp("oracle") / "cases.json"
    path.write_text(json.dumps(asked))
    done = subprocess.run(
        [sys.executable, oracle.__file__, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(map(str, CASES), json.loads(done.stdout), strict=True))


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.xdist_group("truth")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_point_has_the_numbers_of_plain_keras(case, expected):
    work = work_of(case)
    found, reasons = train(work, range(len(work.space)))
    assert sorted(found) == list(range(len(work.space)))
    for idx, (row, curve, _) in found.items():
        plain = expected[str(case)][idx]
        assert row["error"] is None
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
    assert {row["engine"] for row, *_ in found.values()} <= set(case.engines), reasons
