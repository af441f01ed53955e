"""Benchmark of classifiers against regressions of the same widths and rows, both by the native kernel in one process.

`python -m tests.benchmarks classification [POINTS]` (default: 2,000) trains both grids on the rows of the abalone table. The
regressions learn the rings with the squared error. The classifiers learn whether there are more than nine with a
crossentropy and balanced class weights. Their objective is the area under the ROC curve, for which the kernel counts rows.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from tests.benchmarks import alternating

EPOCHS, TIMES, RINGS = 5, 3, 9
HIDDEN, ACTIVATIONS, RATES = [[16], [16, 8]], ["relu", "tanh"], np.geomspace(1e-4, 1e-2, 25).tolist()


def build(hidden, activation, rate, l2, kind, *, input_shape, normalizer):
    """Build a network for either kind of grid, as `sweep` calls a builder."""
    import keras

    outputs = keras.Input(input_shape)
    inputs, outputs = outputs, normalizer(outputs)
    for width in hidden:
        outputs = keras.layers.Dense(width, activation, kernel_regularizer=keras.regularizers.L2(l2))(outputs)
    last = {"classes": "sigmoid", "auc": "sigmoid", "mse": None}[kind]
    model = keras.Model(inputs, keras.layers.Dense(1, last)(outputs))
    metrics = {"classes": ["accuracy"], "auc": ["accuracy", keras.metrics.AUC(name="auc")], "mse": ["mae"]}
    loss = "mse" if kind == "mse" else "binary_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=metrics[kind])
    return model


def main(points: int = 2000) -> None:
    alternating.set_up()
    made, composing_s = {}, {}
    for kind in ("mse", "classes", "auc"):
        started = time.process_time()
        made[kind] = _cohorts(kind, points)
        composing_s[kind] = time.process_time() - started
        assert all(cohort.program.engine == "native" for cohort in made[kind])

    def epochs(kind: str) -> None:
        for _ in range(EPOCHS):
            for cohort in made[kind]:
                cohort.train()

    took = alternating.medians({kind: lambda kind=kind: epochs(kind) for kind in made}, TIMES)  # type: ignore[misc]
    names = {"mse": "regression", "classes": "classification without AUC", "auc": "classification, AUC"}
    print(f"{points} points; {'core us of a point and epoch':>42}   to the regression    grouping, core s")
    for kind, name in names.items():
        each = took[kind] / points / EPOCHS * 1e6
        print(f"{name:26} {each:30.1f} {took[kind] / took['mse']:18.2f}x {composing_s[kind]:18.1f}")


def _cohorts(kind: str, points: int) -> list[Any]:
    from results.space import Space
    from tests.help.cohorts import ABALONE_TABLE, PLAN, Fused
    from trainables.builder import find
    from trainables.objective import Objective
    from trainables.settings import Callbacks, Fit, Training

    rest = max(1, round(points / len(HIDDEN) / len(ACTIVATIONS) / len(RATES)))
    axes = {"hidden": HIDDEN, "activation": ACTIVATIONS, "rate": RATES}
    space = Space(axes | {"l2": np.geomspace(1e-6, 1e-2, rest).tolist(), "kind": [kind]})
    table, fit, objective = ABALONE_TABLE, Fit(epochs=200), Objective()
    if kind != "mse":
        y_train, y_test = (np.float32(y > RINGS) for y in (table.y_train, table.y_test))
        changes = {"y_train": y_train, "y_test": y_test, "task": "binary", "classes": ("young", "old")}
        table = dataclasses.replace(table, **changes)
        fit = dataclasses.replace(fit, class_weight="balanced")
        objective = Objective("auc") if kind == "auc" else objective
    builder = find.find(f"{__file__}:build", PLAN.base)
    training = Training(fit, Callbacks(), objective=objective)
    return list(
        Fused(builder, space, table, training, programs="native").cohorts(range(min(points, len(space))))
    )


if __name__ == "__main__":
    main()
