"""Figures of a run: learning curves, importance, distributions, parallel coordinates, the Pareto front, rungs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from results.directions import Mode
from results.figures.style import BLUE, COLOURS, ORANGE, RED, SKY, labels, laid_out, text
from results.space import value_key

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_LINES = 1000
"""The most lines that a browser without a graphics processor can redraw without delay while the user drags."""

MOST_MARKS = 2000
"""The most marks in a scatter plot."""


def _kind(values: pd.Series) -> str:
    """Return the kind of a value axis: logarithmic, unless a value is not above zero, as a correlation or R2 may be."""
    return "linear" if bool((values <= 0).any()) else "log"


def curves_figure(table: pd.DataFrame, metrics: Sequence[str] = ()) -> Figure:
    """Return the learning curves of some points: a panel for each metric, dotted on train and solid on validation rows.

    Args:
        table: as `results.analysis.curves.annotated` returns it.
        metrics: logged names; all if none is given.
    """
    from plotly.subplots import make_subplots

    metrics = list(metrics) or [n[4:] for n in map(str, table) if n.startswith("val_")]
    figure = make_subplots(1, max(1, len(metrics)), subplot_titles=[text(name) for name in metrics])
    for number, (idx, part) in enumerate(table.groupby("idx")):
        colour = COLOURS[number % len(COLOURS)]
        for column, name in enumerate(metrics, 1):
            logged = pd.concat([table[name], table[f"val_{name}"]])
            figure.update_yaxes(type=_kind(logged), row=1, col=column)
            for key, dash in ((name, "dot"), (f"val_{name}", "solid")):
                where = "train" if key == name else "validation"
                figure.add_scatter(
                    x=part["epoch"], y=part[key], mode="lines", name=f"{idx}, {where}", legendgroup=str(idx),
                    line={"color": colour, "dash": dash, "width": 1.5}, showlegend=column == 1, row=1, col=column,
                )  # fmt: skip
            for mask, symbol, what in (
                (part["is_cut"], "triangle-down", "rate cut"),
                (part["is_best"], "star", "best epoch"),
                (part["ended"] == "pruned", "x", "pruned"),
            ):
                marked = part[mask]
                if len(marked):
                    figure.add_scatter(
                        x=marked["epoch"], y=marked[f"val_{name}"], mode="markers", name=what, showlegend=False,
                        legendgroup=str(idx), marker={"color": colour, "symbol": symbol, "size": 9},
                        hovertemplate=f"{idx}: {what} at epoch %{{x}}, %{{y}}<extra></extra>", row=1, col=column,
                    )  # fmt: skip
    figure.update_xaxes(title="epoch")
    return laid_out(figure)


def bands_figure(table: pd.DataFrame, axis: str, metric: str = "val_loss") -> Figure:
    """Return the learning curves of all points, as a band for each value of an axis.

    Args:
        table: as `results.analysis.curves.bands` returns it.
        axis, metric: the names that the table was computed for.
    """
    figure = _figure()
    for number, (value, part) in enumerate(table.groupby("value", dropna=False, sort=False)):
        colour = COLOURS[number % len(COLOURS)]
        hull = np.concatenate([part["high"], part["low"][::-1]])
        epochs = np.concatenate([part["epoch"], part["epoch"][::-1]])
        group = {"legendgroup": str(number)}
        figure.add_scatter(
            x=epochs, y=hull, fill="toself", fillcolor=colour, opacity=0.2, line={"width": 0}, mode="lines",
            hoverinfo="skip", showlegend=False, **group,
        )  # fmt: skip
        figure.add_scatter(
            x=part["epoch"], y=part["middle"], mode="lines", name=text(value), line={"color": colour},
            customdata=part["training"], hovertemplate="epoch %{x}: %{y}, %{customdata} in training", **group,
        )  # fmt: skip
    figure.update_yaxes(type=_kind(table["low"]), title=text(metric)).update_xaxes(title="epoch")
    return laid_out(figure, legend_title_text=text(axis))


def importance_figure(shares: pd.DataFrame, count: int = 15) -> Figure:
    """Return the largest shares of variance as bars, with error bars if they are estimated.

    Args:
        shares: `Importance.shares`.
        count: the most bars.
    """
    most = shares.head(count)[::-1]
    names = [f"{a} x {b}" if b else a for a, b in zip(most["axis"], most["other"], strict=True)]
    figure = _figure()
    figure.add_bar(
        x=most["share"], y=labels(names), orientation="h",
        marker={"color": [ORANGE if other else BLUE for other in most["other"]]},
        error_x={"type": "data", "array": most["spread"], "visible": bool(most["spread"].any())},
        hovertemplate="%{y}: %{x:.2%}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(tickformat=".0%", title="share of the variance").update_yaxes(automargin=True)
    return laid_out(figure)


def interactions_figure(shares: pd.DataFrame) -> Figure:
    """Return all shares as a heat map: main effects on the diagonal, interactions off it.

    Args:
        shares: `Importance.shares`.
    """
    names = list(dict.fromkeys(shares["axis"][shares["other"] == ""]))
    position = {name: number for number, name in enumerate(names)}
    values = np.full((len(names), len(names)), np.nan)  # a pair may have no share: see `Importance.notes`
    for row in shares.to_dict("records"):
        a, b = position[row["axis"]], position[row["other"] or row["axis"]]
        values[a, b] = values[b, a] = row["share"]
    shown = labels(names)
    texts = [["" if np.isnan(share) else f"{share:.1%}" for share in row] for row in values]
    figure = _figure()
    # The colour shows the root, so that a small interaction is visible beside a large main effect.
    figure.add_heatmap(
        x=shown, y=shown, z=np.sqrt(values), text=texts,
        colorscale="Cividis", showscale=False, texttemplate="%{text}", hovertemplate="%{y} x %{x}: %{text}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", automargin=True)
    return laid_out(figure)


def distribution_figure(table: pd.DataFrame, axis: str, by: str = "loss_va") -> Figure:
    """Return how a metric is distributed for each value of an axis, as boxes from 5% to 95%.

    Args:
        table: as `results.analysis.importance.distribution` returns it.
        axis, by: the names that the table was computed for.
    """
    figure = _figure()
    figure.add_box(
        x=labels(table["value"]), q1=table["quarter"], median=table["median"],
        q3=table["three_quarters"], lowerfence=table["low"], upperfence=table["high"], mean=table["mean"],
        marker={"color": BLUE}, showlegend=False, name="5% to 95%",
    )  # fmt: skip
    figure.add_scatter(
        x=labels(table["value"]), y=table["best"], mode="markers", name="best",
        marker={"color": RED, "symbol": "star", "size": 9},
    )  # fmt: skip
    kind = _kind(pd.concat([table["low"], table["best"]]))
    figure.update_yaxes(type=kind, title=text(by)).update_xaxes(type="category", title=text(axis))
    return laid_out(figure)


def thinned(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most `most` of the rows: the best ones for a quarter of them, the others at equal distances in the rest.

    Args:
        rows: best first.
        most: the most rows to return.
    """
    if len(rows) <= most:
        return rows
    best = most // 4
    return rows.iloc[[*range(best), *np.linspace(best, len(rows) - 1, most - best).astype(int)]]


def parallel_figure(
    points: pd.DataFrame,
    axes: Sequence[str],
    by: str = "loss_va",
    most: int = MOST_LINES,
    mode: Mode = "min",
    orders: Mapping[str, Sequence[Any]] = MappingProxyType({}),
) -> Figure:
    """Return parallel coordinates: a line for each point, over the axes that vary and the metric.

    Dragging along an axis selects lines. The best lines are on top and dark. Of the worst 5%,
    the metric is drawn at its quantile there, because one diverged point would flatten all others.

    Args:
        points: rows of points.
        axes: names of columns.
        by: the metric; points without a finite value are left out.
        most: the most lines: see `thinned`.
        mode: whether a lower or a higher value of the metric is better.
        orders: of some axes, all values in the order of their codes, for a program that joins the figure with a table. Other
            axes have the values of `points` in the order of `ordered`.
    """
    import plotly.graph_objects as go

    is_min = mode == "min"
    ranked = points[np.isfinite(points[by])].sort_values(by, ascending=is_min)
    rows = thinned(ranked, most)
    dimensions: list[dict[str, Any]] = []
    varying = []
    for name in axes:
        if points[name].nunique(dropna=False) < 2:
            continue
        values = orders[name] if name in orders else ordered(points[name])
        varying.append(name)
        codes = {cell_key(value): position for position, value in enumerate(values)}
        dimensions.append(
            {
                "name": f"axis {len(dimensions)}",
                "label": text(name),
                "values": rows[name].map(lambda value, codes=codes: codes[cell_key(value)]),
                "tickvals": list(range(len(values)))[:: -(-len(values) // 30)],
                "ticktext": [text(value) for value in values][:: -(-len(values) // 30)],
                "range": [-0.05, len(values) - 0.95],
            }
        )
    limit = float(ranked[by].quantile(0.95 if is_min else 0.05)) if len(ranked) else 1.0
    metric = rows[by].astype(float)
    metric = metric.clip(upper=limit) if is_min else metric.clip(lower=limit)
    dimensions.append({"name": "metric", "label": text(by), "values": metric})
    # Plotly draws lines with a higher colour value on top, whatever their order. So the best lines get the highest values.
    line = {
        "color": -metric if is_min else metric,
        "colorscale": "Viridis",
        "reversescale": True,
        "showscale": False,
    }
    figure = go.Figure(go.Parcoords(dimensions=dimensions, line=line))
    # `meta` is for programs that read the figure: labels of dimensions may be cut, and dragging changes their order.
    # The margin keeps plotly's buttons off the names of the axes.
    return laid_out(figure).update_layout(
        meta={"axes": varying, "limit": limit, "lines": len(rows), "of": len(ranked)},
        margin={"t": 70, "r": 50},
    )


def pareto_figure(
    points: pd.DataFrame,
    front: pd.DataFrame,
    by: str = "loss_va",
    against: str = "params",
    mode: Mode = "min",
) -> Figure:
    """Return one column over another, with the Pareto front.

    Args:
        points: all rows; at most `MOST_MARKS` are shown: see `thinned`.
        front: as `results.analysis.leaderboard.pareto` returns it.
        by, against: columns.
        mode: whether a lower or a higher value of `by` is better.
    """
    shown = thinned(points.dropna(subset=[by, against]).sort_values(by, ascending=mode == "min"), MOST_MARKS)
    figure = _figure()
    for part, drawn, name, colour in (
        (shown, "markers", "points", SKY), (front, "lines+markers", "front", RED),
    ):  # fmt: skip
        figure.add_scatter(
            x=part[against], y=part[by], mode=drawn, name=name, marker={"color": colour, "size": 5},
            customdata=part["idx"], hovertemplate="idx %{customdata}: %{x}, %{y}<extra></extra>",
            line={"color": colour, "shape": "hv"},
        )  # fmt: skip
    figure.update_yaxes(type=_kind(shown[by]), title=text(by)).update_xaxes(title=text(against))
    return laid_out(figure)


def rungs_figure(table: pd.DataFrame) -> Figure:
    """Return how many points reached each of ASHA's rungs and how many passed it.

    Args:
        table: as `results.analysis.account.rungs` returns it.
    """
    figure = _figure()
    names = [f"epoch {milestone}" for milestone in table["milestone"]]
    for name, column, colour in (
        ("went on", table["passed"], BLUE),
        ("stopped", table["entered"] - table["passed"], ORANGE),
    ):
        figure.add_bar(x=names, y=column, name=name, marker={"color": colour})
    figure.update_layout(barmode="stack").update_yaxes(title="points")
    return laid_out(figure)


def ordered(values: pd.Series) -> list[Any]:
    """Return the distinct values: a missing one first, numbers by size, others in the order of their first row."""
    distinct = {cell_key(value): value for value in values}
    found = list(distinct.values())
    missing = [value for value in found if pd.isna(value)]
    present = [value for value in found if not pd.isna(value)]
    if all(isinstance(value, int | float | np.number) for value in present):
        present.sort()
    return [*([None] if missing else []), *present]


def cell_key(value: Any) -> str:
    """Return `results.space.value_key` of a cell of a table, where all kinds of missing values are one.

    A number of NumPy has the key of the same number of Python, since the type of a cell depends on its column.
    """
    if pd.isna(value):
        return value_key(None)
    return value_key(value.item() if isinstance(value, np.generic) else value)


def _figure() -> Figure:
    import plotly.graph_objects as go

    return go.Figure()
