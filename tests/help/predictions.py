"""A small run on a table with texts, gaps and classes, trained in this process, and rows to predict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import results
from results.run import Run
from sweep import Plan, run

BUILDER = """
import keras


def build(units, *, input_shape, normalizer):
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(units, activation="relu")(normalizer(inputs))
    model = keras.Model(inputs, keras.layers.Dense({outputs}, activation={activation!r})(hidden))
    model.compile("sgd", {loss})
    return model
"""


def write_mixed_table(path: Path, rows: int = 80) -> pd.DataFrame:
    """Write a table of numbers, texts with gaps, whole numbers and three classes."""
    chance = np.random.default_rng(8)
    table = pd.DataFrame({"a": chance.normal(size=rows).round(3), "b": chance.normal(size=rows).round(3)})
    table["kind"] = chance.choice(["x", "y", "é, \\"], rows)
    table["floor"] = chance.choice([1, 2, 3], rows)
    table["grade"] = np.where(table["a"] > 0.5, "high", np.where(table["a"] < -0.5, "low", "mid"))
    table.loc[chance.choice(rows, 9, replace=False), "b"] = np.nan
    table.loc[chance.choice(rows, 9, replace=False), "kind"] = np.nan
    table.to_csv(path, index=False)
    return table


def mixed_run(
    folder: Path,
    outputs: int = 3,
    activation: str | None = "softmax",
    loss: str = "'sparse_categorical_crossentropy'",
    target: str = "grade",
) -> Run:
    """Return a run of two points on the table in `folder`, both trained by the kernel."""
    folder.mkdir(parents=True, exist_ok=True)
    write_mixed_table(folder / "table.csv")
    (folder / "model.py").write_text(BUILDER.format(outputs=outputs, activation=activation, loss=loss))
    plan = Plan.from_mapping(
        {
            "data": {
                "path": "table.csv", "target": target, "missing": {"b": "fill", "kind": "fill"},
                "categories": {"floor": "ordinal"},
            },
            "builder": "model.py:build",
            "space": {"units": [3, 4]},
            "fit": {"epochs": 2},
            "scheduler": "none",
            "engine": "native",
        },
        base=folder,
    )  # fmt: skip
    assert run(plan, folder / "out", in_process=True, show=False).exit_code == 0
    return results.open(folder / "out")
