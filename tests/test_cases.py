"""What people do with Keras models on tables: each kind of case from the table to the rows, compared with plain Keras."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from sklearn.utils.class_weight import compute_sample_weight

from sweep.plan.plan import PlanError
from tests.help import batches
from tests.help.cases import BINARY, dense, numbers, plain, trained, written
from tests.help.often import slow_but

RTOL = 1e-3


def equal(found, expected):
    """Compare a point's curve with that of plain Keras."""
    for name in expected:
        np.testing.assert_allclose(found[1][name], expected[name], rtol=RTOL, atol=1e-5, err_msg=name)


def classes(table, labels):
    edges = [-np.inf, -1, 1, np.inf] if len(labels) == 3 else [-np.inf, 0.5, np.inf]
    return table.assign(y=pd.cut(table["y"], edges, labels=labels).astype(type(labels[0])))


def test_classes_of_texts(tmp_path):
    builder = dense(3, "softmax", "sparse_categorical_crossentropy", "['accuracy']")
    plan = written(tmp_path, classes(numbers(), ["low", "middle", "high"]), builder)
    found, reasons = trained(plan)
    assert not reasons and plan.table.classes == ("high", "low", "middle")
    equal(found[1], plain(plan, {"units": 8}, plan.table.y_train))


@pytest.mark.parametrize("engine", slow_but(["native"], ["native", "fused", "keras"]))
@pytest.mark.parametrize(
    "weights", ["mapping", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("balanced", "column"))]
)
def test_weights(tmp_path, engine, weights):
    # XLA takes long to trace the area under a curve, so only one of its cases has it.
    metric = "accuracy" if engine == "fused" and weights != "balanced" else "auc"
    table = classes(numbers(240), [0, 1]).assign(w=lambda t: 0.5 + t["a"].abs())
    fit = {"mapping": {"class_weight": {0: 1, 1: 20}}, "balanced": {"class_weight": "balanced"}, "column": {}}
    data = {"weight": "w"} if weights == "column" else {"drop": ["w"]}
    keys = {"fit": {"epochs": 3, **fit[weights]}, "data": data, "engine": engine, "objective": metric}
    builder = BINARY if metric == "auc" else dense(1, "sigmoid", "binary_crossentropy", "['accuracy']")
    plan = written(tmp_path, table, builder, **keys)
    found, reasons = trained(plan)
    assert not reasons or engine == "keras"
    y = plan.table.y_train
    rows = len(y) - int(np.ceil(len(y) * 0.2))
    if weights == "mapping":
        expected = plain(plan, {"units": 4}, y, class_weight={0: 1, 1: 20})
    elif weights == "balanced":
        balanced = compute_sample_weight("balanced", y[:rows])
        by_class = {int(label): float(balanced[y[:rows] == label][0]) for label in (0, 1)}
        expected = plain(plan, {"units": 4}, y, class_weight=by_class)
    else:
        expected = plain(plan, {"units": 4}, y, sample_weight=plan.table.weights["w"][0])
    equal(found[0], expected)
    assert found[0][0]["best_epoch"] == 1 + int(expected[f"val_{metric}"].argmax())


def test_one_hot_and_f1(tmp_path):
    builder = dense(3, "softmax", "categorical_crossentropy", "[keras.metrics.F1Score(average='macro')]")
    plan = written(tmp_path, classes(numbers(), [0, 1, 2]), builder)
    found, _ = trained(plan)
    y = plan.table.y_train
    equal(found[0], plain(plan, {"units": 4}, np.eye(3, dtype="float32")[y.astype(int)]))
    row = found[0][0]
    assert row["status"] == "completed", row["error"]
    assert 0 < row["f1_score_te"] <= 1


def test_f1_is_that_of_scikit_learn(tmp_path):
    import keras

    builder = dense(3, "softmax", "categorical_crossentropy", "[keras.metrics.F1Score(average='macro')]")
    plan = written(tmp_path, classes(numbers(), [0, 1, 2]), builder, fit={"epochs": 1}, engine="keras")
    row, _, weights = trained(plan)[0][0]
    from trainables.builder.build import build

    model = build(plan.found_builder.load(), plan.found_builder, {"units": 4}, plan.table, plan.seed)
    sizes = np.cumsum([0, *(int(np.prod(w.shape)) for w in model.weights)])
    parts = [weights[a:b] for a, b in itertools.pairwise(sizes)]
    model.set_weights([part.reshape(w.shape) for part, w in zip(parts, model.weights, strict=True)])
    predicted = keras.ops.convert_to_numpy(model(plan.table.x_test)).argmax(1)
    expected = f1_score(plan.table.y_test, predicted, average="macro", labels=[0, 1, 2], zero_division=0)
    assert row["f1_score_te"] == pytest.approx(expected, rel=1e-5)


def test_two_targets(tmp_path):
    table = numbers().assign(z=lambda t: (t["a"] * t["b"]).round(3))
    plan = written(tmp_path, table, dense(2), data={"target": ["y", "z"]})
    found, reasons = trained(plan)
    assert not reasons
    equal(found[1], plain(plan, {"units": 8}, plan.table.y_train))


def test_classes_one_and_two_are_encoded_and_told(tmp_path):
    plan = written(tmp_path, classes(numbers(), [1, 2]), BINARY)
    assert plan.table.classes == (1, 2) and "the codes 0 to 1" in plan.table.notes[0]
    found, _ = trained(plan)
    equal(found[0], plain(plan, {"units": 4}, plan.table.y_train))
    assert set(plan.table.y_train) == {0, 1}


def test_a_category_of_the_test_rows(tmp_path):
    table = numbers(300).assign(country=np.resize(["x", "y"], 300))
    test = table.drop(table.sample(frac=0.8, random_state=0).index)
    table.loc[test.index[0], "country"] = "only in the test rows"
    plan = written(tmp_path, table, dense())
    row = trained(plan)[0][0][0]
    assert row["loss_te"] < 5 * row["loss_tr"]
    assert "only in the test rows" in plan.table.notes[0]


def test_gaps(tmp_path):
    table = numbers().assign(kind=np.resize(["x", "y", "z"], 200))
    for column, step in (("a", 10), ("b", 3), ("kind", 20)):
        table.loc[::step, column] = None
    with pytest.raises(PlanError, match=r'(?s)"a".*"b".*"kind".*missing: fill'):
        written(tmp_path, table, dense()).table  # noqa: B018
    plan = written(tmp_path, table, dense(), data={"missing": "fill"})
    found, reasons = trained(plan)
    assert not reasons and plan.table.features[-3:] == ("a_missing", "b_missing", "kind_missing")
    equal(found[0], plain(plan, {"units": 4}, plan.table.y_train))


def test_numbers_with_texts_in_them(tmp_path):
    table = numbers().assign(losses=lambda t: (60 + 10 * t["a"].abs()).astype(int).astype(str))
    table.loc[::6, "losses"] = "?"
    table["price"] = [f"${5 + n % 80}" for n in range(200)]
    with pytest.raises(PlanError, match=r'(?s)"losses".*"price".*na: \["\?"\].*strip: \["\$"\]'):
        written(tmp_path, table, dense()).table  # noqa: B018
    plan = written(tmp_path, table, dense(), data={"na": ["?"], "strip": ["$"], "missing": "fill"})
    assert plan.table.features == ("a", "b", "c", "losses", "price", "losses_missing")
    assert trained(plan)[0][0][0]["loss_te"] < 100


def test_the_order_of_time(tmp_path):
    chance = np.random.default_rng(0)
    table = numbers(228).assign(day=chance.permutation(228))
    plan = written(tmp_path, table, dense(), data={"split": {"kind": "time", "column": "day", "test": 0.2}})
    ordered = table.sort_values("day")["y"].to_numpy("float32")
    np.testing.assert_array_equal(np.concatenate([plan.table.y_train, plan.table.y_test]), ordered)
    assert "day" not in plan.table.features and plan.table.validation == 37
    equal(trained(plan)[0][0], plain(plan, {"units": 4}, plan.table.y_train))


TWO_INPUTS = """
import keras


def build(units, *, input_shape, normalizer):
    left, right = (keras.Input(input_shape[name], name=name) for name in ("left", "right"))
    flat = keras.layers.Flatten()(normalizer["right"](right))
    both = keras.layers.Concatenate()([normalizer["left"](left), keras.layers.Dense(units, activation="relu")(flat)])
    size, kind = keras.layers.Dense(1, name="size")(both), keras.layers.Dense(1, activation="sigmoid", name="kind")(both)
    model = keras.Model({"left": left, "right": right}, {"size": size, "kind": kind})
    model.compile("adam", {"size": "mse", "kind": "binary_crossentropy"}, metrics={"kind": "accuracy"})
    return model
"""


def test_several_inputs_and_outputs(tmp_path):
    chance = np.random.default_rng(1)
    x = {"left": chance.normal(size=(120, 3)), "right": chance.normal(size=(120, 4, 2))}
    size = (x["left"][:, 0] + x["right"][:, 1, 1]).astype("float32")
    arrays = {f"x/{name}": array for name, array in x.items()} | {
        "y/size": size,
        "y/kind": (size > 0).astype(int),
    }
    np.savez(tmp_path / "data.npz", **arrays)
    plan = written(tmp_path, numbers(), TWO_INPUTS, data={"path": "data.npz"})
    found, reasons = trained(plan)
    assert not reasons
    row, curve, _ = found[1]
    table = plan.table
    assert (row["status"], row["engine"]) == ("completed", "fused"), row["error"]
    assert {"size_loss_te", "kind_accuracy_va"} <= set(row)

    import keras

    from trainables.builder.build import fitted_rows, normalizer
    from trainables.table.inputs import shape, taken
    from trainables.table.order import row_order

    keras.utils.clear_session()
    supplied = {"input_shape": shape(table.x_train), "normalizer": normalizer(table)}
    keras.utils.set_random_seed(0)
    model = plan.found_builder.load()(units=8, **supplied)
    y = {"size": table.y_train[:, 0], "kind": table.y_train[:, 1]}
    rows = fitted_rows(plan.fit, table)
    validation = taken(table.x_train, slice(rows, None)), taken(y, slice(rows, None))
    history = model.fit(
        batches.epochs((table.x_train, y), 32, [row_order(0, epoch, rows) for epoch in range(3)]),
        epochs=3,
        steps_per_epoch=math.ceil(rows / 32),
        validation_data=batches.batches(validation, 32),
        verbose=0,
    )
    for name, values in history.history.items():
        np.testing.assert_allclose(curve[name][:3], values, rtol=RTOL, err_msg=name)


def test_weights_that_come_with_arrays(tmp_path):
    chance = np.random.default_rng(2)
    x = chance.normal(size=(100, 3))
    np.savez(tmp_path / "data.npz", x=x, y=x[:, 0] - x[:, 1], weights=chance.uniform(0, 3, 100))
    plan = written(tmp_path, numbers(), dense(), data={"path": "data.npz"})
    found, reasons = trained(plan)
    assert not reasons
    equal(
        found[0],
        plain(plan, {"units": 4}, plan.table.y_train, sample_weight=plan.table.weights["weights"][0]),
    )
