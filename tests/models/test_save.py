"""The file is the point's model, in every format."""

import keras
import numpy as np
import pytest

import results
from results.directions import Directions
from sweep import Plan
from sweep.models.save import FORMATS, ExportError, differing, evaluated, export


@pytest.mark.parametrize("kind", ["keras", "weights", pytest.param("savedmodel", marks=pytest.mark.slow)])
def test_a_saved_model_is_the_point_s(small_run, tmp_path, kind):
    run, name = results.open(small_run), f"my{FORMATS[kind]}"
    written = export(run, 1, tmp_path / name, kind)
    assert written["metrics"]["MAE"] == pytest.approx(run.points.set_index("idx").loc[1, "MAE_te"], rel=1e-5)
    card = (tmp_path / f"{name}.card.md").read_text()
    assert "build_and_compile_model" in card and "| MAE |" in card and "sweep export" in card
    x = Plan.load().table.x_test[:9]
    expected = run.predict(1, x)
    if kind == "keras":
        found = keras.saving.load_model(tmp_path / name, safe_mode=True).predict(x, verbose=0)
    elif kind == "weights":
        model = run.model(1)
        model.set_weights([0 * weight for weight in model.get_weights()])
        model.load_weights(tmp_path / name)
        found = model.predict(x, verbose=0)
    else:
        found = keras.layers.TFSMLayer(tmp_path / name, call_endpoint="serve")(x)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(ExportError, match="is there already"):
        export(run, 1, tmp_path / name, kind)


def test_a_metric_that_the_sweep_did_not_store_is_said(small_run):
    run, plan = results.open(small_run), Plan.load()
    model = run.model(1)
    model.compile(loss="mse", metrics=["MAE", "MSLE"])
    with pytest.raises(ExportError, match=r"has MSLE on the test rows, but the sweep stored no such column"):
        evaluated(run, 1, model, plan)


def test_metrics_are_compared_on_their_own_scale():
    modes = Directions("loss", {"loss": "min", "mae": "min", "r2": "max"})
    stored = {"loss": 4e-9, "mae": 6e-6}
    assert differing(stored, stored, modes) == []
    assert differing({"loss": 4e-9, "mae": 6.01e-6}, stored, modes) == ["mae"]
    assert differing({"loss": 9e-9, "mae": 9e-6}, stored, modes) == ["loss", "mae"]
    # A score near 0 has the rounding of larger numbers.
    assert differing({"loss": 4e-9, "r2": 3.1e-6}, {"loss": 4e-9, "r2": 3e-6}, modes) == []
    assert differing({"loss": 2.00001}, {"loss": 2.0}, modes) == []


def test_a_metric_that_is_no_number_is_compared_too():
    modes, stored = Directions({}), {"loss": 2e-3, "mape": float("nan")}
    assert differing({"loss": 2e-3, "mape": float("inf")}, stored, modes) == []
    assert differing({"loss": 2e-3, "mape": 1.0}, stored, modes) == ["mape"]
    assert differing({"loss": 2e-3, "mape": float("nan")}, {"loss": 2e-3, "mape": 1.0}, modes) == ["mape"]
    assert differing({"loss": 2.1e-3, "mape": float("nan")}, stored, modes) == ["loss"]


def test_a_model_that_fits_nearly_all_targets_has_the_rounding_of_its_predictions():
    modes = Directions("loss", {"loss": "min", "mae": "min"})
    chance = np.random.default_rng(0)
    y = chance.normal(size=100)
    error = 1e-4 * chance.normal(size=100)
    metrics = [{"loss": np.mean(e**2), "mae": np.mean(np.abs(e))} for e in (error, error + 1e-7)]
    largest = float(np.abs(y).max())
    assert (
        differing(metrics[1], metrics[0], modes) and differing(metrics[1], metrics[0], modes, largest) == []
    )
    other = {"loss": 4 * metrics[0]["loss"], "mae": 2 * metrics[0]["mae"]}
    assert "mae" in differing(other, metrics[0], modes, largest)
