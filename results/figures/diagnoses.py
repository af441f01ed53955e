"""Draws the figures of a diagnosis: `NAME_figure` draws the table `NAME` of `results.diagnosis.diagnose`.

The train rows and this model are blue, the validation rows orange, the test rows green.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from results.diagnosis.baselines import THIS_MODEL
from results.figures.style import (
    BLUE,
    GREEN,
    GREY,
    MOST_CLASSES,
    ORANGE,
    RED,
    error_bars,
    labels,
    line_of,
    subplots,
    text,
    titled,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST = 30
"""The most features that are drawn."""

_COLUMNS = 3
"""The number of panels in a row."""

_BETTER = {"log loss": "lower", "accuracy": "higher", "ROC AUC": "higher"}


def gaps_over_epochs_figure(table: pd.DataFrame) -> go.Figure:
    """Return the learning curves of each metric, on a logarithmic axis if all values are above 0."""
    metrics = list(table["metric"].unique())
    figure = subplots(rows=len(metrics), cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for number, metric in enumerate(metrics, 1):
        part = table[table["metric"] == metric]
        for name, colour in (("train", BLUE), ("validation", ORANGE)):
            figure.add_scatter(
                x=part["epoch"], y=part[name], name=name, mode="lines", line={"color": colour}, legendgroup=name,
                showlegend=number == 1, row=number, col=1,
            )  # fmt: skip
        known = part.dropna(subset="validation")
        if number == 1 and len(known):  # the loss: its lowest value is the best epoch
            best = known.loc[known["validation"].idxmin()]
            figure.add_scatter(
                x=[best["epoch"]], y=[best["validation"]], name="lowest validation", mode="markers",
                marker={"color": RED, "size": 9, "symbol": "circle-open", "line": {"width": 2}}, row=1, col=1,
            )  # fmt: skip
        positive = (part[["train", "validation"]].min() > 0).all()
        axis = {"type": "log", "dtick": "D2"} if positive else {"type": "linear"}  # D2: ticks at 1, 2, 5
        figure.update_yaxes(title_text=text(metric), **axis, row=number, col=1)
    figure.update_xaxes(title_text="epoch", row=len(metrics), col=1)
    return titled(figure, "Loss and metrics over the epochs", 240 * len(metrics) + 80)


def gaps_at_end_figure(table: pd.DataFrame) -> go.Figure:
    """Return one panel for each metric, with bars for the train, validation and test rows."""
    figure = subplots(rows=1, cols=len(table), subplot_titles=[text(name) for name in table["metric"]])
    for number, row in enumerate(table.to_dict("records"), 1):
        parts = ["train", "validation", "test"]
        figure.add_bar(
            x=parts, y=[row[part] for part in parts], marker={"color": [BLUE, ORANGE, GREEN]}, showlegend=False,
            row=1, col=number,
        )  # fmt: skip
    return titled(figure, "The best epoch's model on each part of the rows", 340)


def residuals_by_bin_figure(table: pd.DataFrame) -> go.Figure:
    """Return bias, mean absolute error and the middle 90% of the residuals over the target; the counts are below."""
    x = np.arange(len(table))
    figure = subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.06)
    figure.add_scatter(
        x=x, y=table["q50"], name="median, 5% to 95%", mode="markers", marker={"color": BLUE, "symbol": "line-ew-open"},
        error_y=error_bars(table["q50"], table["q05"], table["q95"]), row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=x,
        y=table["bias"],
        name="mean (bias)",
        mode="markers",
        marker={"color": RED, "size": 9},
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=x, y=table["mae"], name="mean absolute error", mode="lines", line={"color": ORANGE}, row=1, col=1
    )
    figure.add_bar(x=x, y=table["count"], name="rows", marker={"color": GREY}, showlegend=False, row=2, col=1)
    figure.add_hline(y=0, line={"color": GREY, "width": 1}, row=1, col=1)
    # Numbers with labels: plotly would merge categories whose names are equal.
    figure.update_xaxes(tickvals=x, ticktext=_ranges(table))
    figure.update_xaxes(title_text="true target", row=2, col=1)
    figure.update_yaxes(title_text="predicted minus true", row=1, col=1)
    figure.update_yaxes(title_text="rows", row=2, col=1)
    return titled(figure, "Residuals over the range of the target", 460)


def calibration_figure(table: pd.DataFrame) -> go.Figure:
    """Return the mean true value over the mean prediction, with two standard errors, and the ideal diagonal."""
    figure = subplots(rows=1, cols=1)
    both = table[["predicted", "true"]].to_numpy(float)
    ends = [both.min(), both.max()]
    figure.add_scatter(x=ends, y=ends, name="equal", mode="lines", line={"color": GREY, "dash": "dash"})
    errors = {"type": "data", "array": 2 * table["standard_error"].fillna(0), "color": BLUE, "thickness": 1.5}
    figure.add_scatter(
        x=table["predicted"], y=table["true"], name="bins, two standard errors", mode="markers",
        marker={"color": BLUE, "size": 8}, error_y=errors, text=[f"{count:,} rows" for count in table["count"]],
        hovertemplate="predicted %{x:.4g}<br>true %{y:.4g}<br>%{text}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text="mean prediction")
    figure.update_yaxes(title_text="mean true target")
    return titled(figure, "What was predicted, and what was true", 420)


def sensitivity_figure(table: pd.DataFrame) -> go.Figure:
    """Return a bar for each of the most important features, with the standard deviation over repeats."""
    table = table.head(MOST)
    figure = subplots(rows=1, cols=1)
    figure.add_bar(
        x=table["increase"], y=labels(table["feature"]), orientation="h", marker={"color": BLUE},
        error_x={"type": "data", "array": table["spread"], "color": GREY, "thickness": 1.5}, showlegend=False,
    )  # fmt: skip
    metric = table["metric"].iloc[0] if "metric" in table else "mean squared error"
    figure.update_xaxes(title_text=f"increase of the {metric}, shuffled")
    figure.update_yaxes(type="category", autorange="reversed")
    return titled(figure, "Which features matter", 28 * len(table) + 140)


def dependence_figure(table: pd.DataFrame) -> go.Figure:
    """Return a panel for each of the features that change the prediction most: a line, or a mark for each category.

    Classes have lines of their own; of more than `MOST_CLASSES`, those are drawn whose probability changes most.
    """
    by_class = "class" in table
    drawn = table if by_class else table.assign(**{"class": ""})
    moved = drawn.groupby(["feature", "class"], sort=False)["prediction"].agg(
        lambda values: values.max() - values.min()
    )
    spread = moved.groupby("feature", sort=False).max()
    names = [*spread.sort_values(ascending=False, kind="stable").head(MOST).index]
    classes = list(drawn["class"].unique())
    if len(classes) > MOST_CLASSES:
        most = moved.groupby("class", sort=False).max().sort_values(ascending=False, kind="stable")
        classes = [name for name in classes if name in most.index[:MOST_CLASSES]]
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = subplots(
        rows=rows, cols=columns, shared_yaxes="all", subplot_titles=[text(name) for name in names],
        vertical_spacing=min(0.25, 0.3 / rows), horizontal_spacing=0.04,
    )  # fmt: skip
    for number, name in enumerate(names):
        for position, label in enumerate(classes):
            part = drawn[(drawn["feature"] == name) & (drawn["class"] == label)]
            line = line_of(position)
            shown = {
                "name": text(label), "legendgroup": str(position), "showlegend": len(classes) > 1 and number == 0,
                "row": number // columns + 1, "col": number % columns + 1,
            }  # fmt: skip
            if part["value"].isna().all():
                figure.add_scatter(
                    x=labels(part["category"]), y=part["prediction"], mode="markers",
                    marker={"color": line["color"], "size": 10, "symbol": "diamond"}, **shown,
                )  # fmt: skip
                figure.update_xaxes(type="category", row=shown["row"], col=shown["col"])
            else:
                figure.add_scatter(
                    x=part["value"],
                    y=part["prediction"],
                    mode="lines+markers",
                    line=line,
                    marker={"size": 4},
                    **shown,
                )
    one = f" of {text(classes[0])}" if len(classes) == 1 else ""
    figure.update_yaxes(title_text=f"mean probability{one}" if by_class else "mean prediction", col=1)
    figure = titled(figure, "What the model predicts along each feature", 220 * rows + 100)
    if len(classes) > 1:  # above, the panels have their titles
        figure.update_layout(legend={"y": -40 / (220 * rows), "yanchor": "top"})
    return figure


def baselines_figure(table: pd.DataFrame) -> go.Figure:
    """Return each model's metrics on the test rows with their intervals; this model has another colour."""
    metrics = list(table["metric"].unique())
    figure = subplots(rows=1, cols=len(metrics), shared_yaxes=True, subplot_titles=metrics)
    for number, metric in enumerate(metrics, 1):
        part = table[table["metric"] == metric]
        if metric in _BETTER:
            figure.update_xaxes(title_text=f"{_BETTER[metric]} is better", row=1, col=number)
        for this, colour in ((True, BLUE), (False, ORANGE)):
            some = part[(part["model"] == THIS_MODEL) == this]
            figure.add_scatter(
                x=some["value"], y=[text(name) for name in some["model"]], mode="markers",
                marker={"color": colour, "size": 9}, error_x=error_bars(some["value"], some["low"], some["high"], colour),
                showlegend=False, row=1, col=number,
            )  # fmt: skip
    figure.update_yaxes(type="category", autorange="reversed")
    return titled(figure, "Simpler models on the same test rows, 95% intervals", 380)


def _ranges(table: pd.DataFrame) -> list[str]:
    return [
        f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
        for low, high in zip(table["low"], table["high"], strict=True)
    ]
