"""Made-up rows: finished points and entries of ASHA's rungs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from results import schema
from results.space import Axis, Space
from trainables.engine import curves_of

AXES = Space({"again": range(10**6), "hidden": [[8], [8, 4]], "units": [2, 3, None]})
"""Every six points have the same values, but for the first axis."""


def space_of(axes, repeats=1):
    """A space whose axes have names that no plan may give them: a folder may come from a stranger."""
    made = [Axis("any", values) for values in axes.values()]
    for axis, name in zip(made, axes, strict=True):
        object.__setattr__(axis, "name", name)
    return Space(made, repeats=repeats)


@dataclass(frozen=True)
class Made:
    """One finished point as the store takes it, and as a test looks at it."""

    row: Mapping[str, Any]
    curve: Mapping[str, np.ndarray]
    kept: Mapping[str, Any] | None

    @property
    def points(self):
        return pa.RecordBatch.from_pylist([dict(self.row)])

    @property
    def curves(self):
        return curves_of(np.array([self.row["idx"]]), np.array([self.row["epochs"]]), self.curve)

    @property
    def weights(self):
        if self.kept is None:
            return None
        return pa.RecordBatch.from_pylist([{"idx": self.row["idx"], **self.kept}])


def finished(idx, status="completed", epochs=3, metrics=("loss", "MAE"), weights=True, **row):
    chance = np.random.default_rng(idx)
    values = {f"{name}_{split}": float(chance.random()) for name in metrics for split in ("tr", "va", "te")}
    best = 1 if epochs else None
    row = {
        "idx": idx,
        "status": status,
        "epochs": epochs,
        "best_epoch": best,
        "seed": 0,
        "engine": "keras",
    } | row
    names = [*metrics, *(f"val_{name}" for name in metrics), "learning_rate"] if epochs else []
    curve = {name: chance.random(epochs).astype("float32") for name in names}
    kept = {"values": chance.bytes(50), "layout": "[]"} if weights and epochs else None
    return Made({**values, **row} if epochs else row, curve, kept)


def entered(*points, milestone=10):
    """What the rungs were asked for `points` at once, as columns."""
    chance = np.random.default_rng([milestone, *points])
    value = chance.normal(size=len(points))
    value[chance.random(len(points)) < 0.2] = np.nan
    return pa.record_batch(
        {
            "milestone": np.full(len(points), milestone, "int32"),
            "idx": np.array(points, np.int64),
            "value": value,
            "passed": chance.random(len(points)) < 0.5,
        }
    )


def check_entered(store, expected):
    """Compare what the store yields with `expected`, in its order, to the last bit and type."""
    tables = list(store.entered())
    found = pa.concat_tables([schema.to_arrow(schema.RUNGS).empty_table(), *tables])
    assert found.schema.equals(schema.to_arrow(schema.RUNGS))
    for name in ("milestone", "idx", "value", "passed"):
        column = np.concatenate([part[name] for part in expected]) if expected else np.array([])
        np.testing.assert_array_equal(found[name].to_numpy(), column)
