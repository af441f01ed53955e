"""Points trained by programs in this process, and compared with Keras."""

import json

import numpy as np

from results.space import Space
from sweep import Plan
from tests.help import zoo
from trainables.builder import find
from trainables.builder.build import fit_of
from trainables.engine import Work
from trainables.fused.compose.members import Composer, Members
from trainables.fused.compose.points import Points
from trainables.fused.compose.split import Split
from trainables.fused.training.cohort import Cohort
from trainables.settings import Callbacks, EarlyStopping, Fit, ReduceLROnPlateau, Training
from trainables.single.compare import Trained, compare
from trainables.single.point import Point
from trainables.single.verify import nudge, rows_of, trained
from trainables.table.data import ABALONE, Table, load

ABALONE_TABLE = load(ABALONE)


PLAN = Plan.load()


# Short patience, so that plateau and early stopping both happen within the few epochs of a fast test.
RULES = Callbacks(EarlyStopping(patience=3), ReduceLROnPlateau(factor=0.3, patience=2, min_lr=1e-5))


def small_table(rows=230, features=10):
    """A table with a linear target and one integer column, its fitted rows no multiple of the batches."""
    chance = np.random.default_rng(5)
    x = chance.normal(size=(rows, features)).astype("float32")
    x[:, -1] = chance.integers(0, 4, rows)
    y = (x[:, 0] - 2 * x[:, 1] + 0.3 * x[:, -1] + 0.1 * chance.normal(size=rows)).astype("float32")
    part = int(rows * 0.8)
    names = tuple(f"x{i}" for i in range(features))
    return Table(x[:part], y[:part], x[part:], y[part:], names, "y", "0")


class Fused:
    """Trains points by programs of XLA, or by others, in this process and without Ray."""

    def __init__(self, builder, space, table, training, lanes=16, programs="xla"):
        self.builder, self.space, self.table, self.training = builder, space, table, training
        self.function = builder.load()
        self.lanes, self.programs = lanes, programs
        self.composer = Composer(self.function, builder, table, training.seed)

    def cohorts(self, points):
        waiting = [np.array(points)]
        while waiting:
            part = waiting.pop()
            found = self.composer.compose(Points.of(self.space, part), self.training.fit)
            if isinstance(found, Split):
                waiting += [part[rows] for rows in found.parts]
            else:
                assert isinstance(found, Members), found
                fit = fit_of(self.space[int(part[0])], self.builder, self.training.fit)
                yield Cohort(part, found, fit, self.table, self.training, self.lanes, self.programs)

    def train(self, points):
        """Return row, curve and weights of each point by its idx."""
        found = {}
        for cohort in self.cohorts(points):
            while not cohort.finished:
                cohort.train()
            found |= by_point(cohort.report(np.arange(len(cohort.idx))))
        return found

    def alone(self, idx, nudged=0):
        """Return the point trained by Keras; `nudged` is the seed of a nudge of its weights, 0 for none."""
        point = Point(self.function, self.builder, self.space[idx], self.table, self.training)
        if nudged:
            nudge(point.model, nudged)
        point.advance(10**6)
        return point

    def differences(self, fused, point, nudged=(), **factor):
        """Return how a point of the fused engine differs from the same point trained by Keras."""
        row, curve, _ = fused
        metrics = {name: row[name] for name in point.metrics() if row.get(name) is not None}
        found = Trained(row["status"], row["epochs"], row["best_epoch"], curve, metrics, row["params"])
        others = [trained(one) for one in nudged]
        rows = rows_of(point, Work(self.space, self.builder, self.table, self.training))
        return compare(found, trained(point), self.training, others, rows, **factor).differences


def by_point(rows):
    """Return row, curve and weights, all in one float32 array, of each point of a report by its idx."""
    found, curves = {}, rows.curves.to_pandas()
    weights = {} if rows.weights is None else {w["idx"]: flat(w) for w in rows.weights.to_pylist()}
    for row in rows.points.to_pylist():
        curve = curves[curves["idx"] == row["idx"]]
        assert list(curve["epoch"]) == list(range(1, row["epochs"] + 1))
        logs = {name: curve[name].to_numpy() for name in curve if name not in ("idx", "epoch")}
        found[row["idx"]] = row, logs, weights.get(row["idx"])
    return found


def flat(stored):
    """Return the stored weights of a point side by side: float32, whatever each of them is."""
    content, place, parts = stored["values"], 0, []
    for _, dtype, shape in json.loads(stored["layout"]):
        part = np.frombuffer(content, dtype, int(np.prod(shape)), place)
        parts.append(part.astype("float32"))
        place += part.nbytes
    assert place == len(content)
    return np.concatenate(parts)


def assert_equal(fused, point, engine):
    """Compare a point of the fused engine with the same point trained by Keras."""
    differences = engine.differences(fused, point)
    assert not differences, differences
    row, _, kept = fused
    if row["best_epoch"] != point.recorder.best_epoch:  # a tie
        return
    alone = np.concatenate([np.ravel(value) for value in point.recorder.best_weights])
    np.testing.assert_allclose(kept, alone, rtol=0.01, atol=0.01 * np.abs(alone).max())


def engine_of(name, epochs=5, programs="xla", **changes):
    builder = find.find(f"{zoo.__file__}:{name}", PLAN.base)
    training = Training(Fit(epochs=epochs, batch_size=32), RULES, **changes)
    return Fused(builder, Space(zoo.SPACES[name]), small_table(), training, programs=programs)
