"""`sweep export`: the file is the point's model, and bad input writes none."""

import json
import subprocess

import keras
import numpy as np
import pytest

import results
from sweep import Plan
from tests.help.commands import refused, sweep
from tests.help.sweeps import SWEEP

pytestmark = pytest.mark.long(30)


@pytest.mark.parametrize("kind", ["keras", "weights", pytest.param("savedmodel", marks=pytest.mark.slow)])
def test_an_exported_model_is_the_point_s(small_run, tmp_path, kind):
    run, name = (
        results.open(small_run),
        {"keras": "my.keras", "savedmodel": "my", "weights": "my.weights.h5"}[kind],
    )
    answer = sweep("export", small_run, 1, tmp_path / name, "--format", kind, "--json")
    assert answer.exit_code == 0, answer.output
    written = json.loads(answer.output.splitlines()[-1])
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
    assert "is there already" in refused("export", small_run, 1, tmp_path / name, "--format", kind)


def test_an_export_prints_what_it_did_and_nothing_of_tensorflow(small_run, tmp_path):
    command = [*SWEEP, "export", small_run, "1", tmp_path / "my.keras", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0 and json.loads(ran.stdout)["metrics"]["loss"] > 0
    assert ran.stderr.splitlines() == [
        "Point 1 is made by the builder trainables.abalone:build_and_compile_model."
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([99, "x.keras"], "Point 99 has no row"),
        ([0, "x.h5"], "has to end with .keras"),
        ([0, "nowhere/x.keras"], "there is no folder"),
    ],
)
def test_bad_exports_are_one_message_and_write_nothing(small_run, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused("export", small_run, *words)
    assert not list(tmp_path.iterdir())
