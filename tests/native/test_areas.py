"""Areas under curves of many models at once are those of Keras' own `AUC` for each of them."""

import ctypes

import keras
import numpy as np
import pytest

from tests.help.areas import counted_by_numpy
from tests.help.kernels import HERE, opened, pointer
from tests.help.often import slow_but
from trainables.fused.internals.areas import areas_of
from trainables.native import areas as module
from trainables.native.areas import MOST_THRESHOLDS, MOST_WAITING, Areas, count_of, counted_areas
from trainables.native.structures import CArea

ROWS, LANES = 300, 16


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
    made[3, 0], made[4, 0], made[4, 1] = 1.5, -2, -0.0
    made[5], made[6, 3] = np.nan, np.nan
    at = np.round(made[7:10] * (thresholds - 1)).astype("float32") / np.float32(thresholds - 1)
    made[7], made[8], made[9] = at[0], np.nextafter(at[1], np.float32(-1)), np.nextafter(at[2], np.float32(2))
    made[10, :3] = [[np.inf], [-np.inf], [1e-40]]
    return made, (chance.random((ROWS, width)) > 0.3).astype("float32"), chance.random(ROWS).astype("float32")


def counted_by_kernel(kernel, made, y, weight, area):
    """Return what the kernel counts of models that predict `made`: float64, shape (models, numbers)."""
    found = []
    for first in range(0, len(made), kernel.lanes):
        some = np.ascontiguousarray(np.moveaxis(made[first : first + kernel.lanes], 0, -1))
        counts = np.zeros((count_of(area), kernel.lanes))
        kernel.functions.add_to_counts(
            ctypes.byref(CArea(area.thresholds, area.weighted)), pointer(some), pointer(y), pointer(weight),
            made.shape[2], len(y), pointer(counts),
        )  # fmt: skip
        found.append(counts.T)
    return np.concatenate(found)


def chunks_of(counted):
    """Return counts of models as those of chunks of 4, and the point in each lane."""
    points = np.arange(len(counted)).reshape(-1, 4)
    return points, np.ascontiguousarray(np.moveaxis(counted.reshape(-1, 4, counted.shape[1]), 1, 2))


def by_keras(made, y, weight, **arguments):
    found = []
    for lane in made:
        metric = keras.metrics.AUC(**arguments)
        metric.update_state(y, lane, weight)
        found.append(float(metric.result()))
    return np.float32(found)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("width", "thresholds"), [(1, 200), (3, 200), (1, 2), (2, 20), (1, 1001), (1, MOST_THRESHOLDS)]
)
def test_the_kernel_counts_what_keras_rule_counts(name, weighted, width, thresholds):
    made, y, weight = outputs(width, thresholds)
    y[:5] = [[-1], [2], [0.5], [np.nan], [-0.0]]  # all but 0 are true
    [area] = areas_of(compiled(width, weighted, num_thresholds=thresholds))
    found = counted_by_kernel(opened(name), made, y, weight, area)
    wanted = counted_by_numpy(made, y, weight if weighted else None, thresholds)
    np.testing.assert_array_equal(found, wanted)  # the same sums in the same order, so the same bits
    assert found[5].sum() == found[5, thresholds] + found[5, -1]  # what is not a number


@pytest.mark.parametrize("width", slow_but([1], [1, 3]))
@pytest.mark.parametrize("weighted", slow_but([True], [False, True]))
@pytest.mark.parametrize(
    "arguments",
    [
        {"curve": "ROC"},
        {"num_thresholds": 2},
        {"num_thresholds": 1001},
        {"curve": "PR", "num_thresholds": 20},
        {"curve": "PR"},
        {"summation_method": "minoring"},
        {"curve": "PR", "summation_method": "majoring"},
    ],
)
def test_areas_are_those_of_keras(width, weighted, arguments):
    made, y, weight = outputs(width, arguments.get("num_thresholds", 200))
    [area] = areas_of(compiled(width, weighted, **arguments))
    areas, found = Areas(area), np.full(LANES, 9, np.float32)
    areas.start(found)
    counted = counted_by_numpy(made, y, weight if weighted else None, area.thresholds)
    points, counts = chunks_of(counted)
    points[0, 0] = -1
    areas.add(points[::-1], counts[::-1])
    areas.finish()
    wanted = by_keras(made[1:], y, weight if weighted else None, **arguments)
    assert found[0] == 9  # the idle lane
    # Sums of ones are exact, and so is the area under the ROC curve, while Keras adds 199 numbers in float32. Keras adds
    # weights in float32, one after another.
    assert area.is_roc == (set(arguments) <= {"num_thresholds"} or arguments == {"curve": "ROC"})
    allowed = 2e-6 if weighted else 5e-7 if area.is_roc else 0
    np.testing.assert_allclose(found[1:], wanted, rtol=0, atol=allowed)


@pytest.mark.parametrize("curve", ["ROC", "PR"])
@pytest.mark.parametrize("label", [0, 1])
def test_the_area_of_one_class_alone_is_that_of_keras(curve, label):
    made, y, _ = outputs(1, 200)
    y[...] = label
    [area] = areas_of(compiled(1, curve=curve))
    areas, found = Areas(area), np.full(LANES, 9, np.float32)
    areas.start(found)
    areas.add(*chunks_of(counted_by_numpy(made, y, None, 200)))
    areas.finish()
    np.testing.assert_array_equal(found, by_keras(made, y, None, curve=curve))


def test_areas_of_many_chunks_are_computed_in_parts(monkeypatch):
    made, y, _ = outputs(1, 200)
    [area] = areas_of(compiled(1, curve="PR"))
    areas = Areas(area)
    points, counts = chunks_of(counted_by_numpy(made, y, None, 200))
    answers = []
    for most in (MOST_WAITING, 1):
        monkeypatch.setattr(module, "MOST_WAITING", most)
        found = np.zeros(2 * LANES, np.float32)
        areas.start(found)
        areas.add(points, counts)
        assert bool(areas._waiting) == (most > 1)
        areas.add(points + LANES, counts[::-1])
        areas.finish()
        answers.append(found)
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0][:LANES].reshape(-1, 4), answers[0][LANES:].reshape(-1, 4)[::-1])


def test_the_kernel_counts_no_more_thresholds_than_it_takes():
    most = compiled(1, num_thresholds=MOST_THRESHOLDS)
    assert len(counted_areas(most, 1, 1)) == 1 and counted_areas(most, 3, 1) == []
    assert counted_areas(compiled(1, num_thresholds=MOST_THRESHOLDS + 1), 1, 1) == []


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
