"""Weights of rows against scikit-learn and Keras; and messages for classes and columns that a table has not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights
from sklearn.utils.class_weight import compute_class_weight

from trainables.settings import Fit
from trainables.table.data import Table
from trainables.table.weights import check_weights, class_weights, row_weights

X = np.zeros((10, 2), "float32")
Y = np.array([0, 2, 1, 2, 2, 0, 2, 2, 1, 1], "float32")
TABLE = Table(X, Y, X[:4], Y[:4], ("a", "b"), "kind", "0", classes=("low", 7, True))


@given(st.lists(st.integers(0, 4), min_size=2, max_size=30), st.data())
def test_balanced_is_that_of_scikit_learn_on_the_fitted_rows(codes, data):
    rows = data.draw(st.integers(1, len(codes)))
    y = np.array(codes, "float32")
    table = replace(TABLE, y_train=y, classes=())
    present = np.unique(y[:rows])
    expected = compute_class_weight("balanced", classes=present, y=y[:rows])
    found = class_weights("balanced", table, rows)
    np.testing.assert_allclose([found[int(code)] for code in present], expected, rtol=1e-12)
    assert len(found) == len(present)


@pytest.mark.parametrize(
    "given",
    [
        {"low": 3, 7: 0.5},
        {"low": 3, "7": 0.5},
        {0: 3, 1: 0.5},
        {"0": 3, "1": 0.5, "2": 1},
        {"low": 3, "7": 0.5, True: 1, "true": 1},
    ],
)
def test_keys_are_labels_or_codes_and_missing_classes_count_once(given):
    weights = row_weights(Fit(class_weight=given), TABLE, 8)
    np.testing.assert_array_equal(weights.fitted, class_weight_to_sample_weights(Y[:8], {0: 3, 1: 0.5}))
    assert weights.fitted.dtype == "float32"
    assert (weights.validation, weights.train, weights.test) == (None, None, None)


def test_labels_come_before_codes():
    table = replace(TABLE, y_train=np.minimum(Y, 1), classes=(1, 2))
    assert class_weights({1: 5}, table, 10) == {0: 5.0}
    assert class_weights({2: 5}, table, 10) == {1: 5.0}
    assert class_weights({0: 5, 1: 2}, table, 10) == {0: 5.0, 1: 2.0}


def test_a_column_weights_the_rows_of_all_splits():
    w = np.arange(14)
    table = replace(TABLE, weights={"w": (w[:10], w[10:])})
    found = row_weights(Fit(weight="w"), table, 8)
    for split, expected in {"fitted": w[:8], "validation": w[8:10], "train": w[:10], "test": w[10:]}.items():
        np.testing.assert_array_equal(getattr(found, split), expected)
        assert getattr(found, split).dtype == "float32"


@pytest.mark.parametrize(
    ("fit", "changes", "words"),
    [
        (Fit(class_weight={"lo": 2}), {}, ["names lo", "low, 7, True", "class_weight: {low: 1.0"]),
        (Fit(class_weight={3: 2}), {}, ["names 3"]),
        (Fit(class_weight={"9": 2}), {"classes": ()}, ["names 9", "0, 1, 2"]),
        (Fit(class_weight="balanced"), {"classes": (), "y_train": Y + 0.25}, ["numbers such as 0.25"]),
        (Fit(class_weight="balanced"), {"y_train": np.zeros((10, 3))}, ["one target", "there are 3"]),
        (Fit(weight="w"), {}, ['"w"', "The table has none"]),
        (Fit(weight="w"), {"weights": {"v": (Y, Y)}}, ['"w"', "The weights are v."]),
    ],
)
def test_a_class_or_column_that_the_table_has_not_is_named(fit, changes, words):
    with pytest.raises(ValueError) as error:
        check_weights(fit, replace(TABLE, **changes))
    for word in words:
        assert word in str(error.value)


def test_nothing_is_weighted_by_default():
    found = row_weights(Fit(), TABLE, 8)
    assert (found.fitted, found.validation, found.train, found.test) == (None,) * 4


@pytest.mark.parametrize("given", [{"false": 1, "true": 5}, {False: 1, True: 5}, {"no": 1, "yes": 5}])
def test_labels_that_yaml_takes_for_truth_values_are_known(given):
    table = replace(TABLE, y_train=np.minimum(Y, 1), classes=("no", "yes"))
    assert class_weights(given, table, 10) == {0: 1.0, 1: 5.0}
    assert class_weights({"1.0": 2.0}, replace(table, classes=(1, 2)), 10) == {0: 2.0}
