"""Sweeps with repeats, in this process and by real Keras: each repeat has the numbers of a run with its seed."""

import json

import numpy as np
import pandas as pd
import pytest

import results
from sweep import Plan, run
from sweep.models.verify import verified
from sweep.plan.form import PlanError
from tests.help.cases import numbers, written

pytestmark = pytest.mark.long(90)

DROPOUT = """
import keras


def build(units, *, input_shape, normalizer):
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(units, activation="relu")(normalizer(inputs))
    outputs = keras.layers.Dense(1)(keras.layers.Dropout(0.3)(hidden))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model
"""
NOT_COMPARED = ["idx", "seconds", "repeat"]


def plan_in(folder, **keys):
    return written(folder, numbers(80), DROPOUT, **{"fit": {"epochs": 2}} | keys)


def trained(plan, out, **options):
    assert run(plan, out, in_process=True, show=False, **options).exit_code == 0
    return results.open(out)


def part(found, repeat=0):
    """What a run has of a repeat, with the idx of the first one: rows, curves and weights."""
    grid = found.grid
    tables = []
    for table in (found.points, found.curves(), pd.read_parquet(found.folder.weights)):
        chosen = table[table["idx"] // grid == repeat].assign(idx=lambda rows: rows["idx"] % grid)
        by = ["idx", *({"epoch"} & {*table})]
        tables.append(chosen.sort_values(by, ignore_index=True).drop(columns={*NOT_COMPARED[1:]} & {*table}))
    return tables


@pytest.mark.parametrize("engine", ["native", pytest.param("keras", marks=pytest.mark.slow)])
def test_each_repeat_has_the_numbers_of_a_run_with_its_seed(tmp_path, engine):
    found = trained(plan_in(tmp_path, engine=engine, repeats=2, seed=5), tmp_path / "repeats")
    assert found.points["engine"].unique().tolist() == [engine] and found.size == 4
    rows = found.points.set_index("idx")
    assert (rows["seed"] == 5 + rows.index // 2).all() and (rows["repeat"] == rows.index // 2).all()
    assert rows["loss_va"].nunique() == 4
    for repeat in range(2):
        alone = trained(plan_in(tmp_path, engine=engine, seed=5 + repeat), tmp_path / f"seed {repeat}")
        assert "repeat" not in alone.points
        for of_repeat, expected in zip(part(found, repeat), part(alone), strict=True):
            pd.testing.assert_frame_equal(of_repeat, expected)  # to the last bit
    checks = [one for _, one, done in verified(found, Plan.load(found.folder.plan), [1, 2]) if done]
    assert [one.agrees for one in checks] == [True] * 2


def test_a_run_gets_more_repeats_later_and_is_resumed(tmp_path):
    before = trained(plan_in(tmp_path, engine="native"), out := tmp_path / "out")
    kept, mark = part(before), (out / "fingerprint.json").read_bytes()
    twice = plan_in(tmp_path, engine="native", repeats=2)
    assert run(twice, out, idx=[3], in_process=True, show=False).tally.done == 1
    outcome = run(twice, out, in_process=True, show=False)
    assert outcome.tally.before == 3 and outcome.tally.done == 4 and outcome.exit_code == 0
    found = results.open(out)
    for now, was in zip(part(found), kept, strict=True):
        pd.testing.assert_frame_equal(now[list(was)], was)
    assert (out / "fingerprint.json").read_bytes() == mark
    assert found.points.sort_values("idx")["repeat"].tolist() == [0, 0, 1, 1]
    assert len(pd.read_parquet(out / "points")) == 4
    with pytest.raises(PlanError, match="repeats: 2, but the plan says repeats: 1"):
        run(plan_in(tmp_path, engine="native"), out, in_process=True, show=False)


def test_a_sample_has_all_repeats_and_the_model_is_that_of_its_seed(tmp_path):
    space = {"units": [2, 3, 4, 5]}
    found = trained(plan_in(tmp_path, repeats=2, engine="native", space=space), tmp_path / "out", points=1)
    rows = found.points.sort_values("idx")
    assert (rows["idx"].diff().dropna() == 4).all() and rows["seed"].tolist() == [0, 1]
    best = found.top()
    assert len(best) == 1 and best.loc[0, "repeats"] == 2 and len(found.top(each=True)) == 2
    assert best.loc[0, "loss_va"] == pytest.approx(rows["loss_va"].mean(), rel=1e-12)
    assert best.loc[0, "loss_va_std"] == pytest.approx(rows["loss_va"].std(), rel=1e-12)
    assert best.loc[0, "idx"] == rows.loc[rows["loss_va"].idxmin(), "idx"]
    for idx in rows["idx"].tolist():
        model = found.model(idx, trust=True)
        for one, other in zip(model.get_weights(), found.weights(idx), strict=True):
            np.testing.assert_array_equal(one, other)
    assert found.config(int(rows["idx"].iloc[1])) == found.config(int(rows["idx"].iloc[0]))


def test_a_point_that_fails_has_the_seed_of_its_repeat(tmp_path):
    plan = written(tmp_path, numbers(80), "def build(units):\n    raise RuntimeError('no')\n", repeats=2)
    outcome = run(plan, tmp_path / "out", in_process=True, show=False)
    rows = results.open(tmp_path / "out").points.set_index("idx")
    assert outcome.exit_code == 1 and rows["seed"].to_dict() == {0: 0, 1: 0, 2: 1, 3: 1}
    assert json.loads((tmp_path / "out" / "progress.json").read_text())["asked"] == 4
