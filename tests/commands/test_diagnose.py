"""`sweep diagnose`: the numbers are the run's own, the answer is in words or in JSON."""

import functools
import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.datasets import load_wine
from sklearn.metrics import accuracy_score, log_loss

import results
from results.diagnosis.baselines import THIS_MODEL
from results.diagnosis.diagnose import Diagnosis
from results.run import Run
from sweep import Plan
from sweep.models.diagnose import diagnosed
from tests.help.commands import refused, sweep
from tests.help.sweeps import SWEEP


@pytest.fixture(scope="module")
def answer(small_run):
    return sweep("diagnose", small_run, 1, "--json")


def test_the_diagnosis_is_that_of_the_point_s_row_and_of_its_model(small_run, answer):
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout)
    run, table = results.open(small_run), Plan.load(small_run / "plan.yaml").table
    row = run.points.set_index("idx").loc[1]
    [loss, mae] = found["gaps_at_end"]
    assert (loss["train"], mae["test"]) == pytest.approx((row["loss_tr"], row["MAE_te"]), rel=1e-12)
    assert [part["validation"] for part in found["gaps_over_epochs"][:3]] == pytest.approx(
        list(run.curves(1)["val_loss"])
    )
    predicted = run.predict(1, table.x_test)[:, 0].astype("float64")
    this = {part["metric"]: part for part in found["baselines"] if part["model"] == THIS_MODEL}
    assert this["MSE"]["value"] == pytest.approx(np.mean((predicted - table.y_test) ** 2), rel=1e-5)
    assert this["MAE"]["value"] == pytest.approx(row["MAE_te"], rel=1e-5)
    # The first 80% of the train rows, as the sweep fitted them.
    assert {part["fitted"] for part in found["baselines"]} == {2673}
    assert sum(part["count"] for part in found["residuals_by_bin"]) == len(table.y_test) == 835
    assert [part["feature"] for part in found["dependence"] if part["value"] is None] == ["Sex"] * 3
    assert {part["feature"]: part["columns"] for part in found["sensitivity"]}["Sex"] == 3
    assert len(found["sensitivity"]) == 8 and set(found["verdicts"]) == {
        "overfitting", "accuracy", "sensitivity", "baselines"
    }  # fmt: skip


def test_the_command_answers_four_questions(small_run, answer, monkeypatch):
    # Diagnosed once for both forms of the answer: the tables come back from the JSON.
    tables = json.loads(answer.stdout)
    found = Diagnosis(
        **{name: pd.DataFrame(tables[name]) for name in Diagnosis.__dataclass_fields__ if name != "notes"}
    )
    found.dependence.loc[0, "feature"] = "\x1b]0;Length"  # nothing that click itself takes out
    monkeypatch.setattr("sweep.commands.diagnose.diagnosed", lambda run, idx, trust, target: found)
    text = sweep("diagnose", small_run, 1).stdout
    for question in ("over-fit?", "range of the target?", "features matter?", "simpler models?"):
        assert question in text
    assert all(sentence in text for sentence in tables["verdicts"].values())
    assert "random forest" in text and "Shell weight" in text and "\x1b" not in text


def test_a_point_without_a_row_is_refused(small_run):
    assert "the grid has the points 0 to 7" in refused("diagnose", small_run, 99)


def test_an_unknown_target_is_refused_before_the_model_is_made(small_run, monkeypatch):
    monkeypatch.setattr(Run, "model", None)
    assert "but the table has one target, Rings" in refused("diagnose", small_run, 1, "--target", "Ring")


BUILDER = """
import keras


def build(units, *, input_shape, normalizer):
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(units, "relu")(normalizer(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss, metrics=["accuracy"], optimizer=keras.optimizers.Adam(0.01))
    return model
"""


@pytest.mark.slow
@pytest.mark.heavy
def test_a_real_classification_is_diagnosed_reported_and_exported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = load_wine(as_frame=True).frame
    frame.to_csv("wine.csv", index=False)
    (tmp_path / "wine.py").write_text(BUILDER)
    plan = {
        "data": {"path": "wine.csv", "target": "target"},
        "builder": "wine.py:build",
        "space": {"units": [4, 8]},
    }
    plan |= {"fit": {"epochs": 5, "batch_size": 32}, "scheduler": "none"}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    command = [*SWEEP, "run", "plan.yaml", "--out", "out", "--cpus", "1", "--no-verify"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    # Diagnosed once for all commands.
    once = functools.cache(lambda *given: diagnosed(results.open("out"), 1, trust=True))
    for command in ("diagnose", "report"):
        monkeypatch.setattr(f"sweep.commands.{command}.diagnosed", lambda *given: once())
    answer = sweep("diagnose", "out", 1, "--trust", "--json")
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout)
    run, table = results.open("out"), Plan.load("out/plan.yaml").table
    logits = run.predict(1, table.x_test, trust=True).astype("float64")
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    scores = {part["score"]: part["value"] for part in found["scores"]}
    assert scores["accuracy"] == pytest.approx(accuracy_score(table.y_test, p.argmax(1)))
    assert scores["log loss"] == pytest.approx(log_loss(table.y_test, p), rel=1e-5)
    row = run.points.set_index("idx").loc[1]
    assert (scores["log loss"], scores["accuracy"]) == pytest.approx(
        (row["loss_te"], row["accuracy_te"]), rel=1e-5
    )
    assert {part["class"] for part in found["roc"]} == {"0", "1", "2"} and "thresholds" not in found
    said = sweep("diagnose", "out", 1, "--trust").stdout
    assert (
        "How good is it for each class" in said
        and "true, and predicted" in said
        and "logistic regression" in said
    )
    assert sweep("report", "out", "--diagnose", "--trust").exit_code == 0
    page = (tmp_path / "out" / "report.html").read_text()
    for title in (
        "What is taken for what",
        "ROC curves, with their areas",
        "Probabilities, and how often they come true",
    ):
        assert title in page
    assert sweep("export", "out", 1, "m.keras", "--trust").exit_code == 0
    assert "- Outputs: logits, one for each class" in (tmp_path / "m.keras.card.md").read_text()
