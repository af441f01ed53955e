"""Shares of variance against closed forms and against sums written out; effects against pandas."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.analysis.importance import (
    NoGridError,
    about_broken,
    distribution,
    estimated,
    exact,
    importance,
    paired,
)


def grid(metric, **axes):
    rows = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    table = pd.DataFrame(rows)
    return table.assign(loss=[float(metric(**row)) for row in rows]).sample(frac=1, random_state=3)


def shares(found):
    return {(row.axis, row.other): row.share for row in found.shares.itertuples()}


def test_shares_are_those_of_the_closed_form():
    # f = 2a + b + 3ab with a, b = -1, 1: the parts are orthogonal, their variances 4, 1 and 9.
    rows = grid(lambda a, b, c: 2 * a + b + 3 * a * b, a=[-1, 1], b=[-1, 1], c=["x", "y", "z"])
    found = exact(rows, ["a", "b", "c"], "loss")
    assert found.exact and found.rows == 12 and found.variance == pytest.approx(14)
    expected = {("a", ""): 4 / 14, ("b", ""): 1 / 14, ("a", "b"): 9 / 14}
    for key, share in shares(found).items():
        assert share == pytest.approx(expected.get(key, 0), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4), seed=st.integers(0, 10**6))
def test_any_grid_is_decomposed_as_by_means_written_out(sizes, seed):
    chance = np.random.default_rng(seed)
    table = chance.normal(size=sizes)
    names = [f"axis{position}" for position in range(len(sizes))]
    rows = grid(
        lambda **row: table[tuple(row.values())], **{n: range(s) for n, s in zip(names, sizes, strict=True)}
    )
    found = shares(exact(rows, names, "loss"))
    varying = [name for name, size in zip(names, sizes, strict=True) if size > 1]
    assert {key[0] for key in found} <= set(varying) and len(found) == len(varying) * (len(varying) + 1) / 2
    loss = rows["loss"] - rows["loss"].mean()
    for (one, other), share in found.items():
        effect = loss.groupby(rows[one]).transform("mean")
        if other:
            both = loss.groupby([rows[one], rows[other]]).transform("mean")
            effect = both - effect - loss.groupby(rows[other]).transform("mean")
        assert share == pytest.approx((effect**2).mean() / (loss**2).mean(), abs=1e-9)
    if len(varying) == 2:
        assert sum(found.values()) == pytest.approx(1)


def test_missing_values_are_values_and_lists_are_text():
    rows = grid(lambda reg, h: 1.0 * (reg is None) + 0 * len(h), reg=[None, "null"], h=["[8]", "[8, 4]"])
    assert shares(exact(rows, ["reg", "h"], "loss"))["reg", ""] == pytest.approx(1)


@pytest.mark.heavy  # takes long
def test_what_is_no_grid_is_said_and_estimated():
    rows = grid(lambda a, b, c: a + 0.1 * b + 0 * c, a=range(5), b=range(4), c=range(3))
    holes = rows.copy()
    holes.iloc[:7, holes.columns.get_loc("loss")] = np.nan
    with pytest.raises(NoGridError, match=r"53 rows have a finite loss, but .* make 60 combinations"):
        exact(holes, ["a", "b", "c"], "loss")
    with pytest.raises(NoGridError, match="twice"):
        exact(pd.concat([rows.iloc[1:], rows.iloc[1:2]]), ["a", "b", "c"], "loss")
    found = importance(holes, ["a", "b", "c"], "loss")
    true = shares(exact(rows, ["a", "b", "c"], "loss"))
    assert not found.exact and found.rows == 53 and found.fit > 0.9
    for key, share in shares(found).items():
        assert share == pytest.approx(true[key], abs=0.05)
    assert (found.shares["spread"] > 0).all()


def test_an_estimate_needs_some_rows_and_a_column():
    rows = grid(lambda a, b: a * b, a=range(3), b=range(5))
    with pytest.raises(ValueError, match=r"15 rows have a finite loss; .* 20"):
        estimated(rows, ["a", "b"], "loss")
    with pytest.raises(ValueError, match=r'no column "los". Did you mean "loss"'):
        importance(rows, ["a", "b"], "los")


def test_distributions_are_those_of_pandas_best_first():
    rows = grid(lambda a, b: b - 10 * a, a=[0, 1], b=range(9))
    found = distribution(rows, "a", "loss")
    assert list(found["value"]) == [1, 0] and list(found["rows"]) == [9, 9]
    assert found.loc[0, "median"] == -6 and found.loc[1, "best"] == 0
    assert found.loc[1, "high"] == pytest.approx(rows[rows["a"] == 0]["loss"].quantile(0.95))


def test_pairs_differ_in_one_axis_only():
    rows = grid(lambda a, b: a * b, a=["1", "2"], b=[1, 2, 3]).assign(a=lambda r: r["a"])
    rows["loss"] = rows["a"].astype(int) * rows["b"]
    [found] = paired(rows, ["a", "b"], "a", "loss").to_dict("records")
    signs = {"1": 1, "2": -1}
    assert (found["pairs"], found["mean"] * signs[found["value"]]) == (3, 2)
    assert found["lower"] == (0 if found["value"] == "1" else 1)
    rows.iloc[0, rows.columns.get_loc("loss")] = np.nan
    assert paired(rows, ["a", "b"], "a", "loss").loc[0, "pairs"] == 2


@pytest.mark.parametrize("given", [["l2", None], [0.5, None], [0.5, np.nan], [0.5, 1, None]])
def test_a_missing_value_of_an_axis_stays_missing_in_pairs(given):
    rows = grid(lambda a, b: b, a=range(len(given)), b=[1, 2, 3])
    rows["a"] = rows["a"].map(dict(enumerate(given)))
    found = paired(rows, ["a", "b"], "a", "loss")
    assert list(found["pairs"]) == [3] * (len(given) * (len(given) - 1) // 2)
    told = {*found["value"].dropna(), *found["other"].dropna()}
    assert told == {value for value in given if isinstance(value, str | float | int) and value == value}
    assert found[["value", "other"]].isna().any(axis=None)
    assert "missing" not in found.to_json(orient="records")


def test_an_axis_with_very_many_values_is_not_told_one_by_one():
    rows = pd.DataFrame({"rate": np.arange(101.0), "loss_va": 1.0})
    for tell in (lambda: distribution(rows, "rate"), lambda: paired(rows, ["rate"], "rate")):
        with pytest.raises(ValueError, match="101 values"):
            tell()
    assert len(distribution(rows.head(100), "rate")) == 100


def test_the_best_is_one_that_finished_well_if_any_did():
    rows = pd.DataFrame(
        {
            "idx": range(4),
            "rate": [1, 1, 10, 10],
            "loss_va": [2.0, 0.1, 0.2, 0.3],
            "status": ["completed", "diverged", "diverged", "timeout"],
        }
    )
    assert distribution(rows, "rate").set_index("value")["best"].to_dict() == {1: 2.0, 10: 0.2}
    assert distribution(rows, "rate", mode="max").set_index("value")["best"].to_dict() == {1: 2.0, 10: 0.3}
    said = about_broken(rows, "loss_va")
    assert said.startswith(
        "3 points count with the loss_va of a training that broke (2 diverged, 1 timeout)."
    )
    assert said.endswith("by --where \"status not in ['diverged', 'timeout']\".")
    assert about_broken(rows.iloc[:2], "loss_va").endswith("by --where \"status != 'diverged'\".")
    assert about_broken(rows.head(1), "loss_va") == ""
