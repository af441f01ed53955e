"""`sweep diagnose`: the numbers are the run's own, the answer is in words or in JSON."""

import json

import numpy as np
import pandas as pd
import pytest

import results
from results.diagnosis.baselines import THIS_MODEL
from results.diagnosis.diagnose import Diagnosis
from sweep import Plan
from tests.help.commands import refused, sweep


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
    assert "Point 99 has no row" in refused("diagnose", small_run, 99)
