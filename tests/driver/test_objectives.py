"""Sweeps that are judged by a metric that is better when higher, and sweeps that cannot be judged as the plan says."""

import json

import numpy as np
import pandas as pd
import pytest

import results
from tests.help.commands import answer
from tests.help.plans import small_plan, write_plan, write_table
from tests.help.sweeps import Sweeps

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BINARY = """
import keras


def score(y, predicted):
    return keras.ops.mean(y * predicted, axis=-1)


def build(units, loss="binary_crossentropy"):
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(units, activation="relu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
    metrics = ["accuracy", keras.metrics.AUC(name="auc"), score]
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=metrics)
    return model
"""


@pytest.fixture
def binary(tmp_path):
    """A folder with a builder and a table of two classes, in which a sweep can be run."""
    table = write_table(tmp_path / "table.csv")
    table["target"] = (table["target"] > table["target"].median()).astype(int)
    table.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "model.py").write_text(BINARY)
    return Sweeps(tmp_path)


def run(sweeps, expected, *words, **changes):
    plan = {"space": {"units": [2, 3, 4, 8]}, "fit": {"epochs": 6}, **changes}
    write_plan(sweeps.folder, **small_plan(**plan))
    code, output = sweeps.run("run", "plan.yaml", "--out", "out", "--cpus", "1", "--no-verify", *words)
    assert code == expected and "Traceback" not in output, output
    return output


@pytest.mark.parametrize("engine", ["auto", pytest.param("keras", marks=pytest.mark.slow)])
def test_the_highest_auc_decides_epoch_rung_and_ranking(binary, engine):
    asha = {"grace_period": 2, "reduction_factor": 2}
    output = run(binary, 0, objective="auc", scheduler="asha", asha=asha, keep_weights=1, engine=engine)
    rows = binary.rows().set_index("idx")
    curves = pd.read_parquet(binary.out / "curves")
    for idx, curve in curves.groupby("idx"):
        curve = curve.sort_values("epoch")
        assert rows.loc[idx, "best_epoch"] == curve["epoch"].iloc[int(np.argmax(curve["val_auc"]))]
        assert rows.loc[idx, "auc_va"] == curve["val_auc"].max()
    rungs = pd.read_parquet(binary.out / "rungs")
    for (milestone, idx), entry in rungs.set_index(["milestone", "idx"])["value"].items():
        seen = curves[(curves["idx"] == idx) & (curves["epoch"] <= milestone)]
        assert entry == seen["val_auc"].max()
    if engine == "auto":  # all at once, so the better half passes
        first = rungs[rungs["milestone"] == 2]
        assert first.loc[first["passed"], "value"].min() >= first.loc[~first["passed"], "value"].max()
    ranked = rows.reset_index().sort_values(["auc_va", "idx"], ascending=[False, True])["idx"].tolist()
    assert [row["idx"] for row in answer("top", binary.out)] == ranked
    assert results.open(binary.out).top(1)["idx"].tolist() == ranked[:1]
    by_test = rows.reset_index().sort_values(["auc_te", "idx"], ascending=[False, True])["idx"].tolist()
    assert [row["idx"] for row in answer("top", binary.out, "--by", "auc_te")] == by_test
    assert rows.loc[ranked[0], "has_weights"]
    best = json.loads((binary.out / "progress.json").read_text())["best"]
    assert (best["by"], best["idx"], best["auc_va"]) == ("auc_va", ranked[0], rows["auc_va"].max())
    assert "best by auc_va" in output and f"best val auc {rows['auc_va'].max():.4f}" in output
    modes = {"loss": "min", "accuracy": "max", "auc": "max", "score": None}
    assert json.loads((binary.out / "metrics.json").read_text()) == {"modes": modes}


def test_a_plan_that_the_models_contradict_ends_the_sweep_with_a_remedy(binary):
    said = run(binary, 2, objective="score")
    assert said.count("Keras cannot tell") == 1 and "`objective: {metric: score, mode: max}`" in said
    said = run(binary, 2, objective="auk", engine="keras")  # in the same folder, which has no row
    assert said.count("got 'auk'") == 1 and "logs accuracy, auc, loss, score" in said
    space = {"units": [2, 4], "loss": ["binary_crossentropy", "mse"]}
    said = run(binary, 2, space=space, scheduler="asha", asha={"grace_period": 2})
    assert "binary_crossentropy and mean_squared_error" in said
    assert "All have accuracy, auc and score." in said and "  objective: accuracy" in said
    assert binary.rows().empty
    run(binary, 0, space=space, objective={"metric": "score", "mode": "max"})
    assert len(binary.rows()) == 4
