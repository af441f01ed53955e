"""`sweep diagnose`: it answers four questions about a point's model, each by a sentence and short tables."""

from __future__ import annotations

import json

import click
import pandas as pd

from results.diagnosis.diagnose import Diagnosis
from results.diagnosis.verdicts import verdicts
from results.folder.path import AnyPath
from sweep.commands.chosen import opened, say_builder
from sweep.commands.options import FOLDER, JSON, TRUST
from sweep.commands.printing import printable, quiet
from sweep.commands.tables import plain_table
from sweep.errors import as_input_error
from sweep.models.diagnose import diagnosed

_QUESTIONS = {
    "overfitting": ("Does it over-fit?", ("gaps_at_end",)),
    "accuracy": ("How good is it over the range of the target?", ("residuals_by_bin", "calibration")),
    "sensitivity": ("Which features matter?", ("sensitivity", "dependence")),
    "baselines": ("Is it better than simpler models?", ("baselines",)),
}


@click.command()
@FOLDER
@click.argument("idx", type=int)
@TRUST
@JSON
def diagnose(folder: AnyPath, idx: int, trust: bool, as_json: bool) -> None:
    """Answer four questions about the model of point IDX, from the test rows.

    Does the model over-fit? How good is it over the range of the target? Which features matter? Is it better than simpler
    models that are fitted on the same rows? This runs the plan's builder.
    """
    run = opened(folder)
    say_builder(run, idx)
    with as_input_error(), quiet():
        found = diagnosed(run, idx, trust)
    sentences = verdicts(found)
    if as_json:
        tables = {
            name: json.loads(table.to_json(orient="records", double_precision=15))
            for name, table in vars(found).items()
        }
        click.echo(json.dumps({"idx": idx, "verdicts": sentences, **tables}))
        return
    for key, (question, names) in _QUESTIONS.items():
        click.secho(question, bold=True)
        click.echo(printable(sentences[key]))
        for name in names:
            click.echo()
            plain_table(_shown(found, name), name.replace("_", " ").capitalize())
        click.echo()
    click.echo(
        "The simpler models are scikit-learn's with its defaults, fitted on the rows that this model was fitted on."
    )


def _shown(found: Diagnosis, name: str) -> pd.DataFrame:
    """Return the table as it is printed; `dependence` gets one line for each feature."""
    table: pd.DataFrame = getattr(found, name)
    if name != "dependence":
        return table
    lines = []
    for feature, part in table.groupby("feature", sort=False):
        lowest, highest = part.iloc[part["prediction"].argmin()], part.iloc[part["prediction"].argmax()]
        values = [
            row["category"] if row["value"] != row["value"] else row["value"] for row in (lowest, highest)
        ]
        lines.append([feature, lowest["prediction"], values[0], highest["prediction"], values[1]])
    return pd.DataFrame(lines, columns=["feature", "least predicted", "at", "most predicted", "at "])
