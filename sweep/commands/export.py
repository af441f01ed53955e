"""`sweep export`: it writes the model of a point as a file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from results.folder.path import AnyPath
from sweep.commands.chosen import opened, say_builder
from sweep.commands.options import FOLDER, JSON, TRUST
from sweep.commands.printing import printable, quiet
from sweep.errors import as_input_error
from sweep.models.save import FORMATS
from sweep.models.save import export as write
from sweep.process.tally import metric_text


@click.command()
@FOLDER
@click.argument("idx", type=int)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(FORMATS)),
    default="keras",
    show_default=True,
    help="A .keras file, a folder for TensorFlow Serving, or a .weights.h5 file.",
)
@click.option(
    "--with-preprocessing",
    "preprocessing",
    is_flag=True,
    help="The model takes raw columns, a dictionary of arrays: texts, numbers and gaps as in the table.",
)
@TRUST
@JSON
def export(
    folder: AnyPath, idx: int, file: Path, kind: str, preprocessing: bool, trust: bool, as_json: bool
) -> None:
    """Write the model of point IDX, with the weights of its best epoch, to FILE, and a card beside it.

    This runs the plan's builder. First it evaluates the model on the test rows; the metrics must equal the stored ones.
    """
    run = opened(folder)
    say_builder(run, idx, trust)
    with as_input_error(), quiet():
        answer = write(run, idx, file, kind, trust, preprocessing)
    if as_json:
        click.echo(json.dumps(answer))
        return
    values = ", ".join(f"{printable(name)} {metric_text(value)}" for name, value in answer["metrics"].items())
    click.echo(f"Wrote {answer['model']} and {answer['card']}. On the test rows, as stored: {values}.")
