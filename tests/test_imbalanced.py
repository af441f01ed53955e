"""A table of text classes, gaps and an imbalanced target, swept by AUC with balanced weights: the numbers are plain Keras'.

The expected side uses pandas, scikit-learn and Keras alone. From the sweep it has only the order of the rows in an
epoch, which no other library has.
"""

import keras
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight

import results
import sweep
from trainables.table.order import row_order

pytestmark = pytest.mark.long(40)

BUILDER = """
import keras


def build(units, rate, *, input_shape, normalizer):
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(units, activation="relu")(normalizer(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
    metrics = ["accuracy", keras.metrics.AUC(name="auc")]
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=metrics)
    return model
"""

EPOCHS, BATCH = 6, 32
"""The budget of a point."""


def table():
    """Rows of two classes, of which one is in a tenth of them, with gaps in a column of numbers and in one of texts."""
    chance = np.random.default_rng(12)
    rows = 400
    found = pd.DataFrame(
        {"age": chance.normal(40, 12, rows).round(1), "income": chance.lognormal(3, 1, rows).round(2)}
    )
    found["job"] = chance.choice(["clerk", "nurse", "smith"], rows, p=[0.5, 0.3, 0.2])
    score = found["age"] / 12 + (found["job"] == "nurse") + chance.normal(size=rows)
    found["churn"] = np.where(score > score.quantile(0.9), "leaves", "stays")
    found.loc[chance.choice(rows, 50, replace=False), "age"] = np.nan
    found.loc[chance.choice(rows, 30, replace=False), "job"] = np.nan
    return found


def features_of(rows, train):
    """Fill gaps as the README says, by the train rows: median and most frequent value, indicators of texts and of gaps."""
    found = pd.DataFrame({"age": rows["age"].fillna(train["age"].median()), "income": rows["income"]})
    job = rows["job"].fillna(train["job"].mode()[0])
    for name in sorted(train["job"].dropna().unique()):
        found[f"job_{name}"] = job == name
    for name in ("age", "job"):
        found[f"{name}_missing"] = rows[name].isna()
    return found.to_numpy("float32")


def balanced_weights(y):
    labels = np.unique(y)
    return dict(
        zip(labels.tolist(), compute_class_weight("balanced", classes=labels, y=y).tolist(), strict=True)
    )


def by_keras(folder, point):
    """Return the curve of a point, as a person trains it by `Model.fit`."""
    whole = pd.read_csv(folder / "table.csv")
    labels = sorted(whole["churn"].unique())
    # Classes are stratified, in the test rows and then in the validation rows.
    train, _ = train_test_split(whole, test_size=0.2, random_state=0, stratify=whole["churn"])
    fitted, rest = train_test_split(train, test_size=0.2, random_state=0, stratify=train["churn"])
    train, rows = pd.concat([fitted, rest]), len(fitted)
    y = train["churn"].map(labels.index).to_numpy("float32")
    x = features_of(train, train)
    normalizer = keras.layers.Normalization()
    normalizer.adapt(x)
    names = {}
    exec((folder / "model.py").read_text(), names)
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = names["build"](point["units"], point["rate"], input_shape=x.shape[1:], normalizer=normalizer)
    weights = balanced_weights(y[:rows])
    logs = []
    for epoch in range(EPOCHS):
        order = row_order(0, epoch, rows)
        ran = model.fit(
            x[:rows][order], y[:rows][order], batch_size=BATCH, shuffle=False, class_weight=weights, verbose=0,
            validation_data=(x[rows:], y[rows:]), validation_batch_size=BATCH,
        )  # fmt: skip
        logs.append({name: values[0] for name, values in ran.history.items()})
    return pd.DataFrame(logs)


@pytest.mark.parametrize("engine", ["native", pytest.param("fused", marks=pytest.mark.slow)])
def test_an_imbalanced_table_of_texts_and_gaps_is_trained_as_by_keras(tmp_path, engine):
    table().to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "model.py").write_text(BUILDER)
    plan = {
        "data": {"path": "table.csv", "target": "churn", "missing": "fill"},
        "builder": "model.py:build",
        "space": {"units": [4, 8], "rate": [0.01, 0.003]},
        "objective": "auc",
        "fit": {"epochs": EPOCHS, "batch_size": BATCH, "class_weight": "balanced"},
        "callbacks": {"early_stopping": None, "reduce_lr_on_plateau": None},
        "scheduler": "none",
        "engine": engine,
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    assert sweep.run(tmp_path / "plan.yaml", tmp_path / "out", in_process=True, show=False).exit_code == 0
    run = results.open(tmp_path / "out")
    assert len(run.points) == 4 and set(run.points["engine"]) == {engine}
    best = {}
    for point in run.points.to_dict("records"):
        expected = by_keras(tmp_path, point)
        curve = run.curves().query(f"idx == {point['idx']}").sort_values("epoch")
        for name in expected:
            np.testing.assert_allclose(
                curve[name], expected[name], rtol=1e-3, err_msg=f"{point['idx']} {name}"
            )
        assert point["best_epoch"] == 1 + int(expected["val_auc"].argmax())
        assert point["auc_va"] == pytest.approx(expected["val_auc"].max(), rel=1e-3)
        best[point["idx"]] = expected["val_auc"].max()
    assert run.top(1)["idx"].iloc[0] == max(best, key=best.get)
