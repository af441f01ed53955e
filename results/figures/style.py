"""The style of all figures, and the escaping of labels.

The colours are those of Okabe and Ito (2008), which colour-blind people can distinguish. Backgrounds are transparent.
plotly interprets a few HTML tags in labels, so the user's names and values are escaped.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from results.schema import is_whole

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BLUE, ORANGE, GREEN, RED, PINK, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
BROWN, GREY = "#8C6D1F", "#7F7F7F"
"""They replace yellow, which is too pale on white, and black, which is invisible on black."""

COLOURS = (BLUE, ORANGE, GREEN, RED, PINK, SKY, BROWN, GREY)
"""The colours of the first, second ... line of a figure."""

MOST_CLASSES = 2 * len(COLOURS)
"""The most classes that are drawn as lines: each colour solid, then each dotted."""

MAX_LABEL = 60
"""The most characters of a label; longer labels are cut."""


def text(value: Any) -> str:
    """Return a value as a label that plotly shows literally; a missing value is "null"."""
    shown = plain(value)
    return html.escape(shown if len(shown) <= MAX_LABEL else shown[:MAX_LABEL] + "...", quote=False)


def labels(values: Iterable[Any]) -> list[str]:
    """Return the labels of values on an axis. Equal labels get numbers, because plotly would merge them."""
    found: list[str] = []
    seen: Counter[str] = Counter()
    for label in map(text, values):
        seen[label] += 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return found


def plain(value: Any) -> str:
    """Return a value as text; a missing value is "null".

    A whole number has no decimals: those of an axis with null are floats in its column.
    """
    if pd.isna(value):
        return "null"
    return str(int(value)) if is_whole(value) else str(value)


def laid_out(figure: Figure, **layout: Any) -> Figure:
    """Return the figure with the common style and `layout` applied."""
    return figure.update_layout(
        template="plotly_white",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
        **layout,
    )


def line_of(number: int) -> dict[str, Any]:
    """Return colour and dash of the line of a class, by its number among those that are drawn."""
    return {"color": COLOURS[number % len(COLOURS)], "dash": ("solid", "dot")[number // len(COLOURS) % 2]}


def subplots(**options: Any) -> Figure:
    """Return a figure of panels; `options` are those of plotly's `make_subplots`."""
    from plotly.subplots import make_subplots

    return make_subplots(**options)


def titled(figure: Figure, title: str, height: int) -> Figure:
    """Return the figure with the common style, a title, its height in pixels, and its legend above."""
    above = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1, "xanchor": "right"}
    return laid_out(figure, title_text=title, height=height, legend=above, margin_t=70)


def error_bars(middle: pd.Series, low: pd.Series, high: pd.Series, colour: str = BLUE) -> dict[str, Any]:
    """Return error bars from `low` to `high`."""
    array, minus = np.maximum(high - middle, 0), np.maximum(middle - low, 0)
    return {"type": "data", "array": array, "arrayminus": minus, "color": colour, "thickness": 1.5}
