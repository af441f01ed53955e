"""What goes out of a run: the points that were asked for, and their values as other tools can hold them."""

import json
import math
import shutil

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import results
from results.export_to.chosen_points import ALL, Choice, ChosenPoints, identity, setting
from results.folder.run_folder import RunFolder
from results.space import Space
from results.store.store import Store
from tests.help.exports import HOSTILE_AXES, make_run
from tests.help.rows import finished, space_of


def idx_of(run, **choice):
    return [point.idx for point in ChosenPoints(run, Choice(**choice))]


def test_the_best_come_first_and_others_are_of_the_rest(hostile_run):
    best = [int(idx) for idx in hostile_run.top(99)["idx"]]
    assert idx_of(hostile_run, best=3) == best[:3]
    highest = [int(idx) for idx in hostile_run.top(3, mode="max")["idx"]]
    assert idx_of(hostile_run, best=3, mode="max") == highest != best[:3]
    assert idx_of(hostile_run, best=2, by="loss_te") == [
        int(idx) for idx in hostile_run.top(2, "loss_te")["idx"]
    ]
    some = idx_of(hostile_run, best=3, others=5)
    assert some[:3] == best[:3] and len(set(some)) == 8
    assert some == idx_of(hostile_run, best=3, others=5)
    assert idx_of(hostile_run, best=2, where='status == "pruned"') == [idx for idx in best if idx in (2, 8)]


def test_all_has_the_points_without_a_loss_at_the_end(hostile_run):
    everything = idx_of(hostile_run, best=ALL)
    assert sorted(everything) == list(range(12))
    assert set(everything[8:]) == {4, 5, 10, 11}
    assert set(idx_of(hostile_run, best=0, others=ALL)) == set(range(12))


@pytest.mark.heavy  # takes long
def test_others_are_spread_and_mostly_stay_when_there_are_more_points(tmp_path):
    def others(n):
        run = make_run(
            tmp_path / str(n),
            {"units": list(range(1100))},
            [{"idx": idx, "weights": False} for idx in range(n)],
        )
        return set(idx_of(run, best=0, others=100))

    before, after = others(1000), others(1100)
    assert len(before & after) >= 80  # 91 are expected to stay, of 100
    # A fair draw of 100 from 0..999 has a mean of 500 with a standard error of 27.
    assert 400 < np.mean(list(before)) < 600


def test_what_cannot_be_chosen_is_said(hostile_run):
    for choice, said in (
        ({"best": 0}, "no point to take"),
        ({"best": 1, "by": "loss_tee"}, 'Did you mean "loss_te"'),
        ({"best": 1, "where": "idx <"}, "cannot be read"),
        ({"best": 1, "where": "idx < 0"}, "no point to take"),
    ):
        with pytest.raises(ValueError, match=said):
            ChosenPoints(hostile_run, Choice(**choice))


def test_settings_are_the_plan_s_values(hostile_run):
    for point in ChosenPoints(hostile_run, Choice(best=ALL)):
        config = space_of(HOSTILE_AXES)[point.idx]
        expected = {
            name: value
            if isinstance(value, str | bool | int | float) and value != 2**60
            else json.dumps(value)
            for name, value in config.items()
        }
        assert point.settings == expected
        assert {n: type(v) for n, v in point.settings.items()} == {n: type(v) for n, v in expected.items()}


def test_metrics_and_curves_are_the_finite_numbers_of_the_tables(hostile_run):
    rows = hostile_run.points.set_index("idx")
    chosen = ChosenPoints(hostile_run, Choice(best=ALL, curves=3))
    assert chosen.metrics[:2] == ["loss_te", "m é/x_te"] and "best_epoch" in chosen.metrics
    with_curves = []
    for point in chosen:
        row = rows.loc[point.idx]
        assert point.metrics == {name: row[name] for name in chosen.metrics if row[name] == row[name]}
        if point.curve:
            with_curves.append(point.idx)
            stored = hostile_run.curves(point.idx)
            assert [epoch for epoch, _ in point.curve] == list(stored["epoch"])
            names = [name for name in chosen.logged if name in stored]
            assert names == list(stored.columns[2:])
            assert [values for _, values in point.curve] == stored[names].to_dict("records")
    assert with_curves == [int(idx) for idx in hostile_run.top(3)["idx"]]
    assert chosen.with_curves == 3


def test_what_is_not_finite_in_a_curve_is_left_out(tmp_path):
    item = finished(0)
    item.curve["loss"][:] = [1, np.inf, np.nan]
    folder = RunFolder(tmp_path / "run")
    folder.create()
    folder.plan.write_text(yaml.safe_dump({"space": {"units": [2]}}))
    Store(folder, Space({"units": [2]})).commit([item])
    [point] = ChosenPoints(results.open(folder.path), Choice(best=1, curves=1))
    assert ["loss" in values for _, values in point.curve] == [True, False, False]
    assert all("val_loss" in values for _, values in point.curve)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)


@given(SCALARS | st.lists(SCALARS, max_size=3))
def test_a_setting_is_what_every_tool_can_hold(value):
    found = setting(value)
    if isinstance(found, int | float):
        assert float(found) == found == value and math.isfinite(found) and type(found) is type(value)
    elif isinstance(value, str):
        assert found == value
    else:
        assert json.dumps(json.loads(found)) == json.dumps(value)


def test_a_run_is_known_wherever_it_lies(hostile_run, tmp_path):
    mark = identity(hostile_run.folder)
    shutil.copytree(hostile_run.folder.path, tmp_path / "copy")
    assert identity(RunFolder(tmp_path / "copy")) == mark
    other = make_run(tmp_path / "other", HOSTILE_AXES, [{"idx": 0}], seed=1)
    assert identity(other.folder) != mark
    other.folder.fingerprint.unlink()
    assert len(identity(other.folder)) == len(mark)
