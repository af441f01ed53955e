"""Areas under curves of many models at once are those of Keras' own `AUC` for each of them."""

import keras
import numpy as np
import pytest

from trainables.fused.internals.areas import areas_of
from trainables.native import areas as module
from trainables.native.areas import MOST_WAITING, Areas

ROWS, LANES = 300, 12


def compiled(width, weighted=False, **arguments):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(width, "sigmoid")])
    group = "weighted_metrics" if weighted else "metrics"
    model.compile("sgd", "binary_crossentropy", **{group: [keras.metrics.AUC(name="auc", **arguments)]})
    model.run_eagerly = True
    model.evaluate(np.zeros((4, 2)), np.zeros((4, width)), verbose=0)
    return model


def outputs(width, thresholds):
    chance = np.random.default_rng(width)
    made = chance.random((LANES, ROWS, width)).astype("float32")
    made[0], made[1], made[2, :9] = 0, 1, 0.5
    made[3, 0], made[4, 0] = 1.5, -2
    made[5], made[6, 3] = np.nan, np.nan
    made[7] = np.round(made[7] * (thresholds - 1)) / np.float32(
        thresholds - 1
    )  # at the thresholds themselves
    return made, (chance.random((ROWS, width)) > 0.3).astype("float32"), chance.random(ROWS).astype("float32")


def by_keras(made, y, weight, **arguments):
    found = []
    for lane in made:
        metric = keras.metrics.AUC(**arguments)
        metric.update_state(y, lane, weight)
        found.append(float(metric.result()))
    return np.float32(found)


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "arguments", [{"curve": "ROC"}, {"curve": "PR", "num_thresholds": 20}, {"num_thresholds": 2}]
)
def test_areas_are_those_of_keras(width, weighted, arguments):
    made, y, weight = outputs(width, arguments.get("num_thresholds", 200))
    [area] = areas_of(compiled(width, weighted, **arguments))
    areas, found = Areas(area), np.full(LANES, 9, np.float32)
    areas.start(found)
    areas.add(np.array([*range(LANES - 1, 0, -1), -1]), made[::-1], y, weight)
    areas.finish()
    wanted = by_keras(made[1:], y, weight if weighted else None, **arguments)
    assert found[0] == 9  # the idle lane
    # Sums of ones are exact. Keras adds weights in float32, one after another.
    np.testing.assert_allclose(found[1:], wanted, rtol=0, atol=2e-6 if weighted else 0)


def test_areas_of_many_chunks_are_computed_in_parts(monkeypatch):
    made, y, _ = outputs(1, 200)
    [area] = areas_of(compiled(1))
    areas = Areas(area)
    answers = []
    for most in (MOST_WAITING, 1):
        monkeypatch.setattr(module, "MOST_WAITING", most)
        found = np.zeros(2 * LANES, np.float32)
        areas.start(found)
        areas.add(np.arange(LANES), made, y, None)
        areas.add(np.arange(LANES, 2 * LANES), made[::-1], y, None)
        areas.finish()
        answers.append(found)
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0][:LANES], answers[0][LANES:][::-1])


def test_areas_of_one_name_are_told_apart_by_their_place_in_the_logs():
    auc = keras.metrics.AUC
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "sigmoid")])
    metrics, weighted = ["accuracy", auc(name="auc"), auc(name="auc", curve="PR")], [auc(name="auc"), "mse"]
    model.compile("sgd", "binary_crossentropy", metrics=metrics, weighted_metrics=weighted)
    model.run_eagerly = True
    model.evaluate(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0)
    logs = list(model.compute_metrics(None, np.zeros((4, 1)), np.zeros((4, 1))))  # as `Template.logs`
    found = [(logs[area.position], area.weighted, area.metric.curve.value) for area in areas_of(model)]
    assert found == [("auc", False, "ROC"), ("auc_1", False, "PR"), ("weighted_auc", True, "ROC")]


class OwnAUC(keras.metrics.AUC):
    """Measures what AUC does, for all that is known of it."""


@pytest.mark.parametrize(
    "metric",
    [
        keras.metrics.AUC(multi_label=True),
        keras.metrics.AUC(from_logits=True),
        keras.metrics.AUC(thresholds=[0.1, 0.7]),
        keras.metrics.AUC(label_weights=[1.0, 2.0, 3.0]),
        keras.metrics.AUC(dtype="float64"),
        OwnAUC(),
        keras.metrics.Precision(),
    ],
)
def test_other_metrics_are_left_to_keras(metric):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=[metric])
    model.run_eagerly = True
    model.evaluate(np.zeros((4, 2)), np.zeros((4, 3)), verbose=0)
    assert areas_of(model) == []
