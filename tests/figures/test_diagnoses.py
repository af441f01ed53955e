"""Each table has a figure that shows its numbers; names are shown as they are, backgrounds are the page's."""

import numpy as np
import pandas as pd
import pytest

from results.diagnosis.diagnose import Diagnosis, diagnose
from results.diagnosis.split import Split
from results.figures import diagnoses as figures
from tests.help.diagnoses import CURVE, ROW


@pytest.fixture(scope="module")
def found() -> Diagnosis:
    chance = np.random.default_rng(2)
    x = chance.normal(size=(90, 4))
    x[:, 1:3] = np.eye(2)[chance.integers(0, 2, 90)]
    y = 2 * x[:, 0] + x[:, 1] + 0.1 * chance.normal(size=90)
    names = ("<b>a</b>", "k&r_<x>", "k&r_y", "2020-01-01")
    data = Split(x[:50], y[:50], x[50:], y[50:], names, {"k&r": (1, 2)})
    return diagnose(lambda x: 2 * x[:, 0] + x[:, 1], data, CURVE, ROW)


def traces(figure, kind=None):
    return [trace for trace in figure.data if kind in (None, trace.type)]


@pytest.mark.parametrize("name", [name for name in Diagnosis.__dataclass_fields__ if name != "notes"])
def test_every_table_has_a_figure_that_leaves_the_background_alone(found, name):
    figure = getattr(figures, f"{name}_figure")(getattr(found, name))
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.title.text and figure.layout.height > 200
    text = figure.to_json()
    for tag in ("<b>a", "<x>", "k&r"):
        assert tag not in text and tag.replace("<", "\\u003c").replace(">", "\\u003e") not in text


def test_curves_are_logarithmic_where_that_can_be(found):
    figure = figures.gaps_over_epochs_figure(found.gaps_over_epochs)
    assert figure.layout.yaxis.type == figure.layout.yaxis2.type == "log"
    train, validation, lowest = traces(figure)[:3]
    assert list(train.y) == [4, 2, 1] and list(validation.y) == [4.5, 3, 3.5]
    assert (list(lowest.x), list(lowest.y)) == ([2], [3])
    zero = found.gaps_over_epochs.assign(train=found.gaps_over_epochs["train"] - 1)
    figure = figures.gaps_over_epochs_figure(zero)
    assert figure.layout.yaxis.type == figure.layout.yaxis2.type == "linear"


def test_the_end_has_a_bar_for_each_part(found):
    [loss, mae] = traces(figures.gaps_at_end_figure(found.gaps_at_end), "bar")
    assert list(loss.x) == ["train", "validation", "test"] and list(loss.y) == [2, 3, 5]
    assert list(mae.y) == [-1, 1.5, 2] and loss.xaxis != mae.xaxis


def test_residuals_have_whiskers_to_the_quantiles_and_counts(found):
    table = found.residuals_by_bin
    figure = figures.residuals_by_bin_figure(table)
    quantiles = traces(figure)[0]
    np.testing.assert_allclose(quantiles.y + quantiles.error_y.array, table["q95"])
    np.testing.assert_allclose(quantiles.y - quantiles.error_y.arrayminus, table["q05"])
    [bar] = traces(figure, "bar")
    assert list(bar.y) == list(table["count"]) and bar.yaxis == "y2"
    # Bins that are written alike stay apart.
    near = table.assign(low=1e6 + table.index, high=1e6 + table.index + 0.5)
    assert len(set(traces(figures.residuals_by_bin_figure(near))[0].x)) == len(table)


def test_calibration_has_a_diagonal_over_all_points(found):
    diagonal, points = traces(figures.calibration_figure(found.calibration))
    assert list(diagonal.x) == list(diagonal.y)
    values = [*points.x, *points.y]
    assert min(diagonal.x) == min(values) and max(diagonal.x) == max(values)
    assert points.text[0] == f"{found.calibration.loc[0, 'count']} rows"
    one = pd.DataFrame({"count": [1], "predicted": [3.0], "true": [3.0], "standard_error": [np.nan]})
    assert list(traces(figures.calibration_figure(one))[1].error_y.array) == [0]


def test_features_are_bars_with_the_first_on_top_and_never_dates(found):
    figure = figures.sensitivity_figure(found.sensitivity)
    [bar] = traces(figure)
    assert list(bar.y) == ["&lt;b&gt;a&lt;/b&gt;", "k&amp;r", "2020-01-01"]
    assert list(bar.x) == list(found.sensitivity["increase"])
    assert list(bar.error_x.array) == list(found.sensitivity["spread"])
    assert figure.layout.yaxis.type == "category" and figure.layout.yaxis.autorange == "reversed"


def test_each_feature_has_a_small_multiple_on_one_scale(found):
    figure = figures.dependence_figure(found.dependence)
    line, category, flat = traces(figure)
    assert list(category.x) == ["&lt;x&gt;", "y"] and figure.layout.xaxis2.type == "category"
    assert list(line.x) == list(found.dependence.query("feature == '<b>a</b>'")["value"])
    assert len(set(flat.y)) == 1
    assert [note.text for note in figure.layout.annotations] == [
        "&lt;b&gt;a&lt;/b&gt;",
        "k&amp;r",
        "2020-01-01",
    ]
    assert figure.layout.yaxis2.matches == figure.layout.yaxis3.matches == "y"


def test_wide_tables_are_drawn_in_part():
    names = [f"f{number}" for number in range(200)]
    wide = pd.DataFrame({"feature": names, "increase": range(200, 0, -1), "spread": 1.0})
    assert list(traces(figures.sensitivity_figure(wide))[0].y) == names[: figures.MOST]
    parts = [
        pd.DataFrame({"feature": n, "category": "", "value": [0, 1], "prediction": [0, i]})
        for i, n in enumerate(names)
    ]
    figure = figures.dependence_figure(pd.concat(parts, ignore_index=True))
    assert len(traces(figure)) == figures.MOST and figure.layout.annotations[0].text == "f199"


def test_this_model_stands_out_among_the_baselines(found):
    figure = figures.baselines_figure(found.baselines)
    this, others, this_mae, others_mae = traces(figure)
    assert len(this.x) == len(this_mae.x) == 1 and len(others.x) == len(others_mae.x) == 6
    assert this.marker.color != others.marker.color
    mse = found.baselines.query("metric == 'MSE'")
    np.testing.assert_allclose(others.x + others.error_x.array, mse["high"][1:])
    np.testing.assert_allclose(others.x - others.error_x.arrayminus, mse["low"][1:])
    assert [note.text for note in figure.layout.annotations] == ["MSE", "MAE"]
