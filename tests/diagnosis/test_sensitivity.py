"""Permutation importance and partial dependence against closed forms; categories are never taken apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.diagnosis import sensitivity as module
from results.diagnosis.sensitivity import dependence, sensitivity
from results.diagnosis.split import Split

NAMES = ("a", "k_x", "k_y", "k_z", "b")


def split(rows=60, seed=0, truth=lambda x: 2 * x[:, 0], features=NAMES):
    chance = np.random.default_rng(seed)
    x = np.zeros((rows, 5))
    x[:, 0], x[:, 4] = chance.normal(size=rows), chance.normal(size=rows)
    x[np.arange(rows), 1 + chance.integers(0, 3, rows)] = 1
    y = truth(x)
    return Split(x[:5], y[:5], x, y, features, {"k": (1, 2, 3)})


def whole(x):
    """A model that refuses rows which are in no category or in several."""
    assert np.isin(x[:, 1:4], (0, 1)).all() and (x[:, 1:4].sum(1) == 1).all()
    return 3 * x[:, 0] + x[:, 1:4] @ [5, 7, 11]


def test_what_the_model_does_not_use_has_no_importance_at_all():
    found = sensitivity(lambda x: 2 * x[:, 0], split())
    assert found.loc[0, "feature"] == "a" and set(found["feature"]) == {"a", "k", "b"}
    assert dict(zip(found["feature"], found["columns"], strict=True)) == {"a": 1, "k": 3, "b": 1}
    by = found.set_index("feature")
    assert (by.loc[["k", "b"], ["increase", "spread"]] == 0).all(axis=None)
    assert by.loc["a", "increase"] > 0 and by.loc["a", "spread"] > 0


def test_the_increase_is_that_of_independent_rows():
    # Shuffled, a linear feature of slope s and variance v makes an error of 2 s^2 v (n large): 2 * 4 * var(a). With
    # 4,000 rows and 10 repeats the standard error of the mean is under 2%.
    data = split(4000)
    [increase] = sensitivity(lambda x: 2 * x[:, 0], data).query("feature == 'a'")["increase"]
    assert increase == pytest.approx(8 * data.x_test[:, 0].var(), rel=0.05)


def test_a_category_is_moved_as_one():
    data = split(truth=whole)
    found = sensitivity(whole, data).set_index("feature")
    assert found.loc["k", "increase"] > 1 and found.loc["b", "increase"] == 0
    along = dependence(whole, data)
    part = along[along["feature"] == "k"]
    assert list(part["category"]) == ["x", "y", "z"] and part["value"].isna().all()
    mean = 3 * data.x_test[:, 0].mean()
    np.testing.assert_allclose(part["prediction"], mean + np.array([5, 7, 11]), rtol=1e-12)


@settings(max_examples=30)
@given(
    slopes=st.lists(st.integers(-9, 9), min_size=2, max_size=2),
    effects=st.lists(st.integers(-9, 9), min_size=3, max_size=3),
    rows=st.integers(2, 50),
    seed=st.integers(0, 10**6),
)
def test_the_dependence_of_an_additive_model_is_its_parts(slopes, effects, rows, seed):
    def model(x):
        return x[:, [0, 4]] @ slopes + x[:, 1:4] @ effects

    data = split(rows, seed)
    base = data.x_test
    found = dependence(model, data)
    for number, (name, column) in enumerate((("a", 0), ("b", 4))):
        part = found[found["feature"] == name]
        assert (part["category"] == "").all() and len(part) <= module.GRID
        assert part["value"].is_monotonic_increasing and set(part["value"]) <= set(base[:, column])
        rest = model(base).mean() - slopes[number] * base[:, column].mean()
        # Sums of 50 float64 of a few units.
        np.testing.assert_allclose(part["prediction"], rest + slopes[number] * part["value"], atol=1e-12)
    part = found[found["feature"] == "k"]
    rest = base[:, [0, 4]].mean(0) @ slopes
    np.testing.assert_allclose(part["prediction"], rest + np.array(effects), atol=1e-12)


def test_few_values_are_all_tried_and_many_without_the_outermost():
    data = split(500)
    data.x_test[:, 4] = np.arange(500) % 3
    found = dependence(lambda x: x[:, 4], data)
    assert list(found.query("feature == 'b'")["value"]) == [0, 1, 2]
    values = found.query("feature == 'a'")["value"]
    assert len(values) == module.GRID
    assert data.x_test[:, 0].min() < values.min() and values.max() < data.x_test[:, 0].max()


def test_the_same_seed_gives_the_same_and_large_tables_are_sampled(monkeypatch):
    seen = []

    def model(x):
        seen.append(len(x))
        return whole(x)

    data = split(truth=whole)
    assert sensitivity(model, data, seed=3).equals(sensitivity(model, data, seed=3))
    assert not sensitivity(model, data, seed=3).equals(sensitivity(model, data, seed=4))
    assert set(seen) == {60}
    monkeypatch.setattr(module, "MAX_ROWS", 20)
    seen.clear()
    sensitivity(model, data), dependence(model, data)
    assert set(seen) == {20}


def test_a_table_without_categories_has_features_only():
    data = split()
    found = dependence(
        lambda x: x[:, 1], Split(data.x_fitted, data.y_fitted, data.x_test, data.y_test, NAMES)
    )
    assert list(found["feature"].unique()) == list(NAMES) and (found["category"] == "").all()
    assert list(found.query("feature == 'k_x'")["prediction"]) == [0, 1]
