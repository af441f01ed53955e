"""Draws a classification's diagnosis: `NAME_figure` draws the table `NAME` of `results.diagnosis.classification`.

A class has the same colour in its ROC curve, its precision-recall curve and its reliability, unless some are left out.
`results.figures.diagnoses` draws the tables that classifications share with regressions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from results.figures.style import (
    BLUE,
    GREEN,
    GREY,
    MOST_CLASSES,
    ORANGE,
    labels,
    line_of,
    subplots,
    text,
    titled,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_ROWS = 40
"""The most classes of a confusion matrix, or of a chart with a bar for each class."""

_NUMBERS_UP_TO = 20
"""Up to how many columns of a confusion matrix its counts are written into it."""


def confusion_figure(table: pd.DataFrame) -> go.Figure:
    """Return the confusion matrix: colours are shares of each true class, numbers are test rows.

    Of many classes, the ones with the lowest share of rows that are recognised are drawn.
    """
    rows, columns = list(table["true"].unique()), list(table["predicted"].unique())
    about = ""
    if len(rows) > MOST_ROWS:
        hits = table[table["true"] == table["predicted"]].set_index("true")["share"]
        worst = {*hits.sort_values(kind="stable").index[:MOST_ROWS]} if len(hits) else {*rows[:MOST_ROWS]}
        about = (
            f": {MOST_ROWS} of {len(rows)}, the worst"
            if len(hits)
            else f": the first {MOST_ROWS} of {len(rows)}"
        )
        rows = [name for name in rows if name in worst]
        columns = [name for name in columns if name in worst] if len(hits) else columns
    shape = (len(rows), len(columns))
    part = table[table["true"].isin(rows) & table["predicted"].isin(columns)]
    share = part["share"].fillna(0).to_numpy(float).reshape(shape)
    counts = part["count"].to_numpy().reshape(shape)
    figure = subplots(rows=1, cols=1)
    figure.add_heatmap(
        x=np.arange(len(columns)), y=np.arange(len(rows)), z=share, text=counts, zmin=0, zmax=1, xgap=1, ygap=1,
        # Opaque colours: plotly chooses the colour of the numbers by them, on light and on dark pages.
        colorscale=[[0, "#F2F6FA"], [1, BLUE]], colorbar={"title": "share"},
        texttemplate="%{text}" if len(columns) <= _NUMBERS_UP_TO else None,
        customdata=[[f"{text(row)}, decided for {text(column)}" for column in columns] for row in rows],
        hovertemplate="%{customdata}<br>%{text} rows, %{z:.1%}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text="predicted", tickvals=np.arange(len(columns)), ticktext=labels(columns))
    figure.update_yaxes(
        title_text="true", tickvals=np.arange(len(rows)), ticktext=labels(rows), autorange="reversed"
    )
    return titled(figure, f"What is taken for what{about}", max(360, 28 * len(rows) + 180))


def per_class_figure(table: pd.DataFrame) -> go.Figure:
    """Return precision, recall and F1 of each class; of many classes, of those with the lowest recall."""
    about = ""
    if len(table) > MOST_ROWS:
        about = f": {MOST_ROWS} of {len(table)}, the lowest recall"
        table = table.sort_values("recall", kind="stable").head(MOST_ROWS)
    figure = subplots(rows=1, cols=1)
    named = [
        f"{label} ({rows:,} rows)"
        for label, rows in zip(labels(table["class"]), table["support"], strict=True)
    ]
    for name, colour in (("precision", BLUE), ("recall", ORANGE), ("f1", GREEN)):
        figure.add_bar(
            x=table[name],
            y=named,
            name="F1" if name == "f1" else name,
            orientation="h",
            marker={"color": colour},
        )
    figure.update_xaxes(range=[0, 1.02])
    figure.update_yaxes(type="category", autorange="reversed")
    return titled(figure, f"How well each class is recognised{about}", max(300, 52 * len(table) + 140))


def roc_figure(table: pd.DataFrame) -> go.Figure:
    """Return the ROC curve of each class against the others, and the diagonal of a guess."""
    figure, about = _curves(table, "false_positive_rate", "true_positive_rate")
    figure.add_scatter(x=[0, 1], y=[0, 1], name="guess", mode="lines", line={"color": GREY, "dash": "dash"})
    figure.update_xaxes(title_text="false positive rate")
    figure.update_yaxes(title_text="true positive rate")
    return titled(figure, f"ROC curves, with their areas{about}", 480)


def precision_recall_figure(table: pd.DataFrame) -> go.Figure:
    """Return the precision-recall curve of each class against the others; a guess has the class' share as precision."""
    figure, about = _curves(table, "recall", "precision", line={"shape": "hv"})
    figure.update_xaxes(title_text="recall", range=[-0.02, 1.02])
    figure.update_yaxes(title_text="precision", range=[-0.02, 1.02])
    return titled(figure, f"Precision-recall curves, with average precisions{about}", 480)


def confidence_figure(table: pd.DataFrame) -> go.Figure:
    """Return how often decisions are right over how sure the model is, and the ideal diagonal."""
    figure = _diagonal()
    _reliable(figure, table, "decisions, two standard errors", {"color": BLUE}, bars=True)
    figure.update_xaxes(title_text="mean confidence")
    figure.update_yaxes(title_text="share of right decisions", range=[-0.05, 1.05])
    return titled(figure, "How sure the model is, and how often it is right", 420)


def reliability_figure(table: pd.DataFrame) -> go.Figure:
    """Return how often rows are of a class over its probability, and the ideal diagonal; errors for a single class only."""
    names = list(table["class"].unique())
    figure = _diagonal()
    # The classes with most to tell: those whose probabilities are in most bins.
    bins = table["class"].value_counts()
    shown = (
        names if len(names) <= MOST_CLASSES else sorted(names, key=lambda name: -bins[name])[:MOST_CLASSES]
    )
    for number, name in enumerate(shown):
        _reliable(figure, table[table["class"] == name], text(name), line_of(number), bars=len(names) == 1)
    figure.update_xaxes(title_text="mean probability of the class")
    figure.update_yaxes(title_text="share of rows that are of the class", range=[-0.05, 1.05])
    about = "" if len(shown) == len(names) else f": {len(shown)} of {len(names)} classes"
    return titled(figure, f"Probabilities, and how often they come true{about}", 460)


def _curves(table: pd.DataFrame, x: str, y: str, line: dict[str, Any] | None = None) -> tuple[go.Figure, str]:
    """Return the curve of each class, and which classes these are if not all; those with the lowest areas are drawn."""
    areas = table.groupby("class", sort=False)["area"].first()
    shown, about = list(areas.index), ""
    if len(shown) > MOST_CLASSES:
        lowest = {*areas.sort_values(kind="stable").index[:MOST_CLASSES]}
        about = f": {MOST_CLASSES} of {len(shown)} classes, the lowest"
        shown = [name for name in shown if name in lowest]
    figure = subplots(rows=1, cols=1)
    for number, name in enumerate(shown):
        part = table[table["class"] == name]
        figure.add_scatter(
            x=part[x], y=part[y], name=f"{text(name)}: {areas[name]:.3f}", mode="lines", showlegend=True,
            line={**line_of(number), **(line or {})}, customdata=part["threshold"],
            hovertemplate=f"{text(name)}<br>threshold %{{customdata:.3g}}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    return figure, about


def _diagonal() -> go.Figure:
    figure = subplots(rows=1, cols=1)
    figure.add_scatter(x=[0, 1], y=[0, 1], name="equal", mode="lines", line={"color": GREY, "dash": "dash"})
    return figure


def _reliable(figure: go.Figure, table: pd.DataFrame, name: str, line: dict[str, Any], bars: bool) -> None:
    errors = {"type": "data", "array": 2 * table["standard_error"], "color": line["color"], "thickness": 1.5}
    figure.add_scatter(
        x=table["predicted"], y=table["true"], name=name, mode="lines+markers", line=line, marker={"size": 7},
        error_y=errors if bars else None, text=[f"{count:,} rows" for count in table["count"]],
        hovertemplate="predicted %{x:.3f}<br>true %{y:.3f}<br>%{text}<extra></extra>",
    )  # fmt: skip
