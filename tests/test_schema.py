"""The columns of the datasets are those of the contract, and each value of an axis fits its column."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given

from results import schema


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], pa.int64()),
        (range(5), pa.int64()),
        ([0, 0.5], pa.float64()),
        ([0.5, None], pa.float64()),
        ([True, None], pa.bool_()),
        (["a", None], pa.string()),
        ([[8], [8, 4]], pa.string()),
        ([1, "a"], pa.string()),
        ([True, 1], pa.string()),
        ([None], pa.string()),
        ([2**70], pa.string()),
    ],
)
def test_an_axis_has_the_type_of_its_values(values, kind):
    assert schema.axis_type(values) == kind


@given(
    st.lists(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just([1, 2]),
        min_size=1,
        max_size=4,
    )
)
def test_every_value_fits_its_column(values):
    column = schema.axis_column(values, np.arange(len(values)))
    assert column.type == schema.axis_type(values)
    assert column.null_count == sum(value is None for value in values)
    # Values that differ to a builder differ in the column, but for 1 and 1.0, or 0.0 and -0.0, among numbers.
    distinct = {
        repr(float(v) + 0.0) if column.type == pa.float64() and v is not None else repr(v) for v in values
    }
    assert len(pd.unique(pd.Series(column.to_pylist(), dtype=object))) == len(distinct)


def test_the_columns_are_those_of_the_contract():
    names = [column.name for column in schema.points_columns({"rate": [1]}, ["loss", "MAE"])]
    assert names == [
        "idx",
        "rate",
        "status",
        "epochs",
        "best_epoch",
        "loss_tr",
        "MAE_tr",
        "loss_va",
        "MAE_va",
        "loss_te",
        "MAE_te",
        "data_loss_va",
        "params",
        "seed",
        "seconds",
        "engine",
        "error",
        "has_weights",
        "note",
    ]
    names = [column.name for column in schema.curves_columns(["loss", "MAE"])]
    assert names == ["idx", "epoch", "loss", "MAE", "val_loss", "val_MAE", "learning_rate"]
    with_it = [column.name for column in schema.curves_columns(["loss", "MAE"], data_loss=True)]
    assert with_it == [*names[:-1], "val_data_loss", "learning_rate"]
    assert schema.metrics_of_curves(with_it) == ["loss", "MAE"]


def test_units_and_meanings_travel_with_the_file():
    arrow = schema.to_arrow(schema.points_columns({}, ["loss"]))
    assert arrow.field("seconds").metadata[b"unit"] == b"s"
    assert all(field.metadata[b"meaning"] for field in arrow)


def test_numbers_that_are_not_finite_become_missing():
    column = pa.array([float("nan"), float("inf"), -float("inf"), 0.0, None])
    assert schema.finite_or_null(column).to_pylist() == [None, None, None, 0.0, None]
    for other in (pa.array([1, None]), pa.array(["nan"])):
        assert schema.finite_or_null(other) is other


@pytest.mark.parametrize(("metric", "split"), [("loss", "va"), ("top_k", "tr"), ("val_te", "te")])
def test_the_column_of_a_metric_tells_metric_and_split(metric, split):
    column = schema.column_of(metric, split)
    assert schema.metric_and_split(column) == (metric, split)
    assert schema.on_split(column, "te") == f"{metric}_te"


@pytest.mark.parametrize("column", ["epochs", "va", "_va", "loss_va_std", "batch_size"])
def test_other_columns_are_of_no_metric(column):
    assert schema.metric_and_split(column) is None and schema.on_split(column, "te") == column


def test_an_axis_is_no_metric_although_it_ends_like_one():
    assert schema.metrics_of(["x_tr", "loss_tr", "loss_va", "MAE_tr"], ["x_tr"]) == ["loss", "MAE"]
