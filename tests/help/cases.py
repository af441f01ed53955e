"""Small tables, builders and plans of the kinds that people have, each in a folder of its own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import yaml

from sweep import Plan
from tests.help import batches
from tests.help.engines import train
from trainables.builder.build import fitted_rows, normalizer
from trainables.engine import Work
from trainables.table.order import row_order

DENSE = """
import keras


def build(units, *, input_shape, normalizer):
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(units, activation="relu")(normalizer(inputs))
    model = keras.Model(inputs, keras.layers.Dense({outputs}, activation={activation!r})(hidden))
    model.compile("adam", {loss!r}, metrics={metrics})
    return model
"""


def dense(
    outputs: int = 1, activation: str | None = None, loss: str = "mse", metrics: str = "['mae']"
) -> str:
    return DENSE.format(outputs=outputs, activation=activation, loss=loss, metrics=metrics)


BINARY = dense(1, "sigmoid", "binary_crossentropy", "['accuracy', keras.metrics.AUC(name='auc')]")


def numbers(rows: int = 200, seed: int = 5) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    table = pd.DataFrame({name: chance.normal(size=rows).round(3) for name in "abc"})
    table["y"] = (2 * table["a"] - table["b"] + 0.3 * chance.normal(size=rows)).round(3)
    return table


def written(folder: Path, table: pd.DataFrame, builder: str, **keys: Any) -> Plan:
    """Write a case into `folder` and return its plan; `keys` replace those of a plan of two points and three epochs."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "table.csv", index=False)
    (folder / "model.py").write_text(builder)
    raw = {
        "data": {"path": "table.csv", "target": "y", **keys.pop("data", {})},
        "builder": "model.py:build",
        "space": {"units": [4, 8]},
        "fit": {"epochs": 3},
        "scheduler": "none",
        **keys,
    }
    (folder / "plan.yaml").write_text(yaml.safe_dump(raw))
    return Plan.load(folder / "plan.yaml")


def trained(plan: Plan) -> tuple[dict[int, Any], dict[int, str]]:
    """Train all points of a plan by the engines in this process; see `tests.help.engines.train`."""
    work = Work(plan.space, plan.found_builder, plan.table, plan.training)
    return train(work, range(len(plan.space)))


def plain(plan: Plan, config: dict[str, Any], y: np.ndarray, **fit: Any) -> pd.DataFrame:
    """Return the curve of a point that `Model.fit` trains by the documented rules, an epoch a row.

    Args:
        plan: names data, builder and budget.
        config: the point's value of each axis of the builder.
        y: the target of the train rows as the model needs it.
        fit: more arguments of `Model.fit`; `sample_weight` is of the train rows.
    """
    function, table = plan.found_builder.load(), plan.table
    keras.utils.clear_session()
    supplied = {"input_shape": table.x_train.shape[1:], "normalizer": normalizer(table)}
    keras.utils.set_random_seed(plan.seed)
    model = function(**config, **{k: v for k, v in supplied.items() if k in plan.found_builder.parameters})
    rows = fitted_rows(plan.fit, table)
    weights = fit.pop("sample_weight", None)
    arrays = (table.x_train, y) if weights is None else (table.x_train, y, weights)
    orders = [row_order(plan.seed, epoch, rows) for epoch in range(plan.fit.epochs)]
    history = model.fit(
        batches.epochs(arrays, plan.fit.batch_size, orders),
        epochs=plan.fit.epochs,
        steps_per_epoch=math.ceil(rows / plan.fit.batch_size),
        validation_data=batches.batches([array[rows:] for array in arrays], plan.fit.batch_size),
        verbose=0,
        **fit,
    )
    return pd.DataFrame(history.history)
