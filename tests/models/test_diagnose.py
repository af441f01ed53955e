"""The diagnosis is of the model that was trained, and of models for regression only."""

import shutil

import keras
import pytest

import results
from sweep.models.diagnose import diagnosed


def test_a_model_that_is_not_what_was_trained_is_refused(small_run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(small_run, copy)
    run = results.open(copy)
    run.points.loc[run.points["idx"] == 1, "MAE_te"] += 0.1
    with pytest.raises(ValueError, match=r"has MAE .* on the test rows, but the sweep stored"):
        diagnosed(run, 1)


@pytest.mark.parametrize(
    "loss", ["binary_crossentropy", keras.losses.BinaryFocalCrossentropy(), keras.losses.hinge]
)
def test_a_model_for_classes_is_refused(small_run, monkeypatch, loss):
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(loss=loss, optimizer="sgd")
    run = results.open(small_run)
    monkeypatch.setattr(run, "model", lambda idx, trust: model)
    with pytest.raises(ValueError, match="a loss for classification, but only a regression"):
        diagnosed(run, 1)
