"""Each table of a classification has a figure that shows its numbers; labels are shown as they are."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from results import figures
from results.diagnosis.class_curves import confidence, precision_recall, reliability, roc
from results.diagnosis.classification import confusion, per_class
from results.diagnosis.probabilities import probabilities
from results.diagnosis.sensitivity import dependence, sensitivity
from results.figures.class_diagnoses import MOST_ROWS
from results.figures.style import MOST_CLASSES
from tests.help.classes import made

TABLES = {
    table.__name__: table for table in (confusion, per_class, roc, precision_recall, confidence, reliability)
}


def table_of(kind, name, **changes):
    split, predict = made(name)
    split = dataclasses.replace(split, **changes)
    return TABLES[kind](split.y_test, probabilities(predict, split.x_test, split), split)


def figure_of(kind, name, **changes):
    return getattr(figures, f"{kind}_figure")(table_of(kind, name, **changes))


@pytest.mark.parametrize("name", ["binary", "digits", "multilabel"])
@pytest.mark.parametrize("kind", list(TABLES))
def test_every_table_has_a_figure_that_leaves_the_background_alone(kind, name):
    figure = figure_of(kind, name)
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.title.text and figure.layout.height >= 300


@pytest.mark.parametrize("kind", list(TABLES))
def test_labels_are_escaped(kind):
    text = figure_of(kind, "binary", classes=("<b>no</b>", "a&b<i>")).to_json()
    for tag in ("<b>no", "a&b<i>"):
        assert tag not in text and tag.replace("<", "\\u003c").replace(">", "\\u003e") not in text


@pytest.mark.parametrize("name", ["digits", "multilabel"])
def test_the_matrix_has_shares_as_colours_and_counts_as_numbers(name):
    table = table_of("confusion", name)
    [heat] = figures.confusion_figure(table).data
    rows, columns = table["true"].nunique(), table["predicted"].nunique()
    assert np.shape(heat.z) == np.shape(heat.text) == (rows, columns)
    last = table.iloc[-1]
    assert heat.text[-1][-1] == last["count"] and heat.z[-1][-1] == pytest.approx(last["share"])
    assert heat.customdata[-1][-1] == f"{last['true']}, decided for {last['predicted']}"
    assert (heat.zmin, heat.zmax) == (0, 1) and heat.texttemplate == "%{text}"


def test_curves_name_their_areas_and_have_the_line_of_a_guess():
    table = table_of("roc", "binary")
    curve, guess = figures.roc_figure(table).data
    assert list(curve.x) == list(table["false_positive_rate"]) and list(curve.y) == list(
        table["true_positive_rate"]
    )
    assert curve.name == f"benign: {table['area'].iloc[0]:.3f}" and list(guess.x) == list(guess.y) == [0, 1]
    table = table_of("precision_recall", "multiclass")
    lines = figures.precision_recall_figure(table).data
    assert [line.name.split(":")[0] for line in lines] == ["class_0", "class_1", "class_2"]
    assert len({line.line.color for line in lines}) == 3 and all(line.line.shape == "hv" for line in lines)


def test_reliability_has_bars_for_one_class_only():
    table = table_of("reliability", "binary")
    _, one = figures.reliability_figure(table).data
    assert list(one.x) == list(table["predicted"]) and list(one.y) == list(table["true"])
    np.testing.assert_allclose(one.error_y.array, 2 * table["standard_error"])
    _, *several = figures.reliability_figure(table_of("reliability", "multiclass")).data
    assert len(several) == 3 and all(line.error_y.array is None for line in several)


def test_of_many_classes_the_worst_are_drawn():
    many = [f"c{number:03}" for number in range(100)]
    curves = pd.concat(
        pd.DataFrame(
            {"class": name, "area": 1 - number / 200, "threshold": 0.5, "recall": [0, 1], "precision": [1, 0]}
        )
        for number, name in enumerate(many)
    )
    figure = figures.precision_recall_figure(curves)
    assert [line.name.split(":")[0] for line in figure.data] == many[-MOST_CLASSES:]
    assert f"{MOST_CLASSES} of 100 classes, the lowest" in figure.layout.title.text
    classes = pd.DataFrame(
        {"class": many, "support": 5, "recall": np.linspace(1, 0, 100), "precision": 1, "f1": 1}
    )
    assert figures.per_class_figure(classes).data[0].y[0] == "c099 (5 rows)"
    counts = pd.DataFrame({"true": np.repeat(many, 100), "predicted": many * 100, "count": 1})
    counts["share"] = np.where(
        counts["true"] == counts["predicted"], np.repeat(np.linspace(1, 0, 100), 100), 0
    )
    figure = figures.confusion_figure(counts)
    assert list(figure.layout.yaxis.ticktext) == many[-MOST_ROWS:] == list(figure.layout.xaxis.ticktext)
    assert np.shape(figure.data[0].z) == (MOST_ROWS, MOST_ROWS) and figure.data[0].texttemplate is None


def test_classes_have_lines_of_their_own_along_each_feature():
    split, predict = made("multiclass")
    table = dependence(predict, split)
    figure = figures.dependence_figure(table)
    assert len(figure.data) == 13 * 3 and figure.layout.yaxis.title.text == "mean probability"
    assert [line.name for line in figure.data if line.showlegend] == ["class_0", "class_1", "class_2"]
    first = table[(table["feature"] == figure.layout.annotations[0].text) & (table["class"] == "class_0")]
    assert list(figure.data[0].y) == list(first["prediction"])


def test_sensitivity_names_the_log_loss():
    split, predict = made("multiclass")
    title = figures.sensitivity_figure(sensitivity(predict, split)).layout.xaxis.title.text
    assert title == "increase of the log loss, shuffled"


def test_baselines_say_which_way_is_better():
    row = {"model": "this model", "value": 1.0, "low": 0.9, "high": 1.1}
    table = pd.DataFrame([{**row, "metric": name} for name in ("log loss", "accuracy", "ROC AUC")])
    layout = figures.baselines_figure(table).layout
    assert [note.text for note in layout.annotations] == ["log loss", "accuracy", "ROC AUC"]
    said = [axis.title.text for axis in (layout.xaxis, layout.xaxis2, layout.xaxis3)]
    assert said == ["lower is better", "higher is better", "higher is better"]
