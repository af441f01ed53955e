"""Figures show what their tables say, and names and values as text."""

import json

import numpy as np
import pandas as pd

from results.analysis.account import rungs
from results.analysis.curves import annotated, bands
from results.analysis.importance import distribution, exact
from results.analysis.leaderboard import pareto
from results.figures import runs
from results.space import value_key
from tests.help.curves import CURVES, POINTS

HOSTILE = '<b>bold</b> & "quoted"' + "x" * 200
GRID = pd.DataFrame(
    [
        {
            "idx": 4 * a + 2 * b + c,
            HOSTILE: a,
            "b": ["x", None][b],
            "c": c,
            "loss_va": 10.0 * a + b + a * b + 5 * c,
            "params": a,
        }
        for a in range(3)
        for b in range(2)
        for c in range(2)
    ]
)
AXES = [HOSTILE, "b", "c"]


def shown(figure):
    return json.loads(figure.to_json())


def test_curves_have_a_panel_for_each_metric_and_a_mark_for_each_event():
    table = annotated(CURVES.assign(loss=1.0, MAE=2.0, val_MAE=3.0), POINTS)
    traces = shown(runs.curves_figure(table, ["loss", "MAE"]))["data"]
    assert [t["name"] for t in traces if t["mode"] == "lines" and t.get("showlegend") is not False][:2] == [
        "2, train",
        "2, validation",
    ]
    assert sum(t["mode"] == "lines" for t in traces) == 3 * 2 * 2
    marks = [t["name"] for t in traces if t["mode"] == "markers"]
    assert marks.count("rate cut") == 4 and marks.count("best epoch") == 6 and marks.count("pruned") == 2


def test_bands_have_a_hull_and_a_middle_for_each_value():
    traces = shown(runs.bands_figure(bands(CURVES, POINTS, "units"), "units"))["data"]
    assert [t.get("name") for t in traces] == [None, "a", None, "b"]


def test_shares_are_bars_and_cells():
    found = exact(GRID, AXES)
    [bars] = shown(runs.importance_figure(found.shares))["data"]
    assert bars["y"][-1].startswith("&lt;b&gt;bold") and len(bars["y"]) == 6
    figure = runs.interactions_figure(found.shares)
    cells = figure.data[0].z ** 2
    assert cells.shape == (3, 3) and (cells == cells.T).all()
    np.testing.assert_allclose(np.triu(cells).sum(), found.shares["share"].sum())
    assert figure.data[0].text[0][0] == f"{found.shares['share'][0]:.1%}"


def test_distributions_keep_the_table_s_order_and_missing_values():
    table = distribution(GRID, "b")
    boxes, best = runs.distribution_figure(table, "b").data
    assert list(boxes.x) == list(best.x) == ["x", "null"] and list(boxes.median) == list(table["median"])


def test_parallel_lines_are_the_points_and_axes_that_vary():
    rows = pd.concat([GRID.assign(one=1), GRID.head(1).assign(one=1, loss_va=np.inf)])
    figure = runs.parallel_figure(rows, [*AXES, "one"])
    [trace] = figure.data
    assert len(trace.dimensions) == 4 and figure.layout.meta["axes"] == AXES
    assert all(len(dimension["values"]) == 12 for dimension in trace.dimensions)
    assert trace.dimensions[0]["label"].endswith("...") and "<" not in trace.dimensions[0]["label"]
    # The worst are no farther away than the 95% quantile.
    last = trace.dimensions[-1]["values"]
    assert max(last) == figure.layout.meta["limit"] < GRID["loss_va"].max()
    codes = trace.dimensions[1]["values"]
    assert set(zip(trace.dimensions[1]["ticktext"], trace.dimensions[1]["tickvals"], strict=True)) == {
        ("null", 0),
        ("x", 1),
    }
    assert sorted(codes) == [0] * 6 + [1] * 6


def test_the_best_line_has_the_highest_colour_value_which_is_on_top_and_dark():
    [trace] = runs.parallel_figure(GRID, AXES).data
    by_colour = np.argsort(trace.line.color)
    assert list(np.argsort(trace.dimensions[-1]["values"])) == list(by_colour[::-1])
    assert trace.line.reversescale  # Viridis is dark at its lower end


def test_of_many_lines_the_best_and_a_fair_choice_are_drawn():
    rows = pd.DataFrame(
        {"a": np.arange(5000) % 7, "loss_va": np.random.default_rng(0).permutation(5000) * 1.0}
    )
    figure = runs.parallel_figure(rows, ["a"], most=100)
    drawn = np.sort(figure.data[0].dimensions[1]["values"])
    assert list(drawn[:25]) == list(range(25)) and len(drawn) == 100
    np.testing.assert_allclose(np.diff(drawn[25:90]), 67.2, atol=1)
    assert (figure.layout.meta["lines"], figure.layout.meta["of"]) == (100, 5000)
    assert len(figure.data[0].dimensions[0]["tickvals"]) == 7  # the axis of the plot has all values


def test_a_front_is_drawn_over_a_fair_choice_of_points():
    many = pd.DataFrame(
        {"idx": range(5000), "loss_va": np.linspace(1, 2, 5000), "params": np.arange(5000)[::-1]}
    )
    cloud, front = runs.pareto_figure(many, pareto(many)).data
    assert len(cloud.x) == 2000 and len(front.x) == 5000
    assert list(cloud.y[:500]) == list(many["loss_va"][:500]) and cloud.y[-1] == 2


def test_rungs_stack_to_the_points_that_came():
    seen = pd.DataFrame(
        {"milestone": [1, 1, 3], "idx": [1, 2, 1], "value": [1.0, 2.0, 1.0], "passed": [True, False, True]}
    )
    on, off = runs.rungs_figure(rungs(seen)).data
    assert list(on.y) == [1, 1] and list(off.y) == [1, 0] and list(on.x) == ["epoch 1", "epoch 3"]


def test_values_are_ordered_as_people_would():
    assert runs.ordered(pd.Series([10, 9, 100], dtype=object)) == [9, 10, 100]
    assert runs.ordered(pd.Series(["b", None, "a", "b"])) == [None, "b", "a"]


def test_equal_cells_have_one_key_whatever_the_type_of_their_column():
    assert runs.cell_key(np.int64(5)) == runs.cell_key(5) == value_key(5)
    assert runs.cell_key(np.bool_(True)) == value_key(True)
    assert {runs.cell_key(one) for one in (None, np.nan, pd.NA, pd.NaT)} == {value_key(None)}
    assert len({runs.cell_key(one) for one in (5, 5.0, "5", "null", None, True)}) == 6
