"""Of very many rows and values, forests get what fits into the memory; a note says what."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor

from results.analysis import forests
from results.analysis.importance import estimated


class FittedError(Exception):
    """Ends a test when a forest is to be fitted."""


def test_of_very_many_rows_and_values_forests_get_few_features_of_some_rows(monkeypatch):
    def fit(self, features, metric):
        raise FittedError(features, metric)

    monkeypatch.setattr(RandomForestRegressor, "fit", fit)
    chance = np.random.default_rng(0)
    wide = chance.integers(0, 1000, 200_000)
    rows = pd.DataFrame(
        {"wide": wide / 1000, "b": chance.choice(["x", "y", "z"], 200_000), "loss": wide * 1.0}
    )
    with pytest.raises(FittedError) as fitted:
        estimated(rows, ["wide", "b"], "loss")
    features, metric = fitted.value.args
    assert features.shape == (20_000, 4) and features.dtype == np.float32
    assert (features[:, 1:].sum(1) == 1).all()
    np.testing.assert_array_equal(features[:, 0], metric)  # in the order of the values


def test_a_note_says_which_rows_and_values_an_estimate_is_of(monkeypatch):
    monkeypatch.setattr(forests, "FORESTS", 2)
    rows = pd.DataFrame({"a": np.arange(120) % 3, "b": np.arange(120), "loss": np.arange(120) % 3 * 1.0})
    assert estimated(rows, ["a"], "loss").notes == ()
    monkeypatch.setattr(forests, "MAX_ROWS", 30)
    found = estimated(rows, ["a", "b"], "loss")
    assert found.rows == 30 and found.notes == (
        "The forests are fitted on 30 points, drawn at random from 120.",
        "The forests tell the very many values of b apart by their order alone.",
    )
