"""The style of all figures, and the escaping of labels.

The colours are those of Okabe and Ito (2008), which colour-blind people can distinguish. Backgrounds are transparent.
plotly interprets a few HTML tags in labels, so the user's names and values are escaped.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BLUE, ORANGE, GREEN, RED, PINK, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
BROWN, GREY = "#8C6D1F", "#7F7F7F"
"""They replace yellow, which is too pale on white, and black, which is invisible on black."""

COLOURS = (BLUE, ORANGE, GREEN, RED, PINK, SKY, BROWN, GREY)
"""The colours of the first, second ... line of a figure."""

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
    """Return a value as text; a missing value is "null"."""
    return "null" if pd.isna(value) else str(value)


def laid_out(figure: Figure, **layout: Any) -> Figure:
    """Return the figure with the common style and `layout` applied."""
    return figure.update_layout(
        template="plotly_white",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
        **layout,
    )
