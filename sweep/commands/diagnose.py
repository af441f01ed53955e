"""`sweep diagnose`: it answers four questions about a point's model, each by sentences and short tables."""

from __future__ import annotations

import json

import click
import pandas as pd

from results.diagnosis.classification import Classification
from results.diagnosis.diagnose import tables
from results.diagnosis.verdicts import verdicts
from results.folder.path import AnyPath
from sweep.commands.chosen import opened, say_builder
from sweep.commands.options import FOLDER, JSON, TRUST
from sweep.commands.printing import printable, quiet
from sweep.commands.tables import plain_table
from sweep.errors import as_input_error
from sweep.models.diagnose import diagnosed

_QUESTIONS = (
    ("Does it over-fit?", ("overfitting",), ("gaps_at_end",)),
    ("How good is it over the range of the target?", ("accuracy",), ("residuals_by_bin", "calibration")),
    ("Which features matter?", ("sensitivity",), ("sensitivity", "dependence")),
    ("Is it better than simpler models?", ("baselines",), ("baselines",)),
)
"""Of a regression: each question, the verdicts and the tables that answer it."""

_QUESTIONS_OF_CLASSES = (
    _QUESTIONS[0],
    (
        "How good is it for each class, and are its probabilities right?",
        ("accuracy", "imbalance", "calibration", "threshold"),
        ("scores", "per_class", "confusion", "confidence", "thresholds"),
    ),
    *_QUESTIONS[2:],
)

_WIDEST = 12
"""The most classes of a confusion matrix that is printed whole."""


@click.command()
@FOLDER
@click.argument("idx", type=int)
@click.option(
    "--target",
    metavar="NAME",
    help="Which target of a regression of several is diagnosed; the first if not given.",
)
@TRUST
@JSON
def diagnose(folder: AnyPath, idx: int, target: str | None, trust: bool, as_json: bool) -> None:
    """Answer four questions about the model of point IDX, from the test rows.

    Does the model over-fit? How good is it over the range of the target, or for each class? Which features matter? Is it
    better than simpler models that are fitted on the same rows? This runs the plan's builder.
    """
    run = opened(folder)
    say_builder(run, idx, trust)
    with as_input_error(), quiet():
        found = diagnosed(run, idx, trust, target)
    sentences = verdicts(found)
    shown = tables(found)
    if as_json:
        plain = {
            name: json.loads(table.to_json(orient="records", double_precision=15))
            for name, table in shown.items()
        }
        click.echo(json.dumps({"idx": idx, "verdicts": sentences, "notes": list(found.notes), **plain}))
        return
    for note in found.notes:
        click.echo(printable(note))
    for question, keys, names in _QUESTIONS_OF_CLASSES if isinstance(found, Classification) else _QUESTIONS:
        click.secho(question, bold=True)
        for key in keys:
            if key in sentences:
                click.echo(printable(sentences[key]))
        for name in names:
            if name in shown:
                click.echo()
                plain_table(_shown(name, shown[name]), name.replace("_", " ").capitalize())
        click.echo()
    click.echo(
        "The simpler models are scikit-learn's with its defaults, fitted on the rows that this model was fitted on."
    )


def _shown(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as it is printed: one line for each feature, or for each true class.

    Of several classes, a feature's line is about the one whose probability it changes most.
    """
    if name == "confusion":
        return _matrix(table)
    if name != "dependence":
        return table
    keys = [key for key in ("feature", "class") if key in table]
    lines = []
    for found, part in table.groupby(keys, sort=False):
        lowest, highest = part.iloc[part["prediction"].argmin()], part.iloc[part["prediction"].argmax()]
        values = [
            row["category"] if row["value"] != row["value"] else row["value"] for row in (lowest, highest)
        ]
        lines.append([*found, lowest["prediction"], values[0], highest["prediction"], values[1]])
    shown = pd.DataFrame(lines, columns=[*keys, "least predicted", "at", "most predicted", "at "])
    change = shown["most predicted"] - shown["least predicted"]
    return shown.loc[change.groupby(shown["feature"], sort=False).idxmax()]


def _matrix(table: pd.DataFrame) -> pd.DataFrame:
    """Return the confusion matrix, with a line for each true class; of many classes, the most frequent mistakes."""
    rows, columns = list(table["true"].unique()), list(table["predicted"].unique())
    if len(columns) > _WIDEST:
        wrong = table[(table["true"] != table["predicted"]) & (table["count"] > 0)]
        return wrong.sort_values("count", ascending=False, kind="stable").head(2 * _WIDEST)
    counts = pd.DataFrame(table["count"].to_numpy().reshape(len(rows), len(columns)), columns=columns)
    counts.insert(0, "true, and predicted", rows)
    return counts
