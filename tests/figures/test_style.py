"""Labels are text, and no two of an axis are one."""

import pandas as pd
import plotly.graph_objects as go

from results.figures.style import labels, laid_out, text


def test_labels_are_text_and_of_bearable_length():
    assert text("<b>bold</b> & more") == "&lt;b&gt;bold&lt;/b&gt; &amp; more"
    assert text(None) == text(float("nan")) == text(pd.NA) == "null"
    assert text("x" * 61) == "x" * 60 + "..."


def test_labels_that_would_be_alike_are_numbered():
    assert labels([None, "null", "a", "x" * 61, "x" * 62]) == [
        "null", "null (2)", "a", "x" * 60 + "...", "x" * 60 + "... (2)",
    ]  # fmt: skip


def test_backgrounds_are_the_page_s():
    layout = laid_out(go.Figure(), height=100, margin_t=5).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert layout.height == 100 and layout.margin.t == 5 and layout.margin.l == 60


def test_whole_numbers_of_a_column_with_a_null_have_no_decimals():
    units = pd.Series([4, None, 2**53])
    assert labels(units) == ["4", "null", str(2**53)]
    assert labels([0.5, 1e300, float("inf")]) == ["0.5", "1e+300", "inf"]
