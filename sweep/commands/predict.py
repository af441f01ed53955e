"""`sweep predict`: it prints or writes the predictions of a point's model for raw rows."""

from __future__ import annotations

import io
import json
import os
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import click
import pandas as pd

from results.folder.files import replace_file
from results.folder.path import AnyPath
from sweep.commands.chosen import opened, say_builder
from sweep.commands.options import FOLDER, JSON, TRUST, LocalFile
from sweep.commands.printing import printable, quiet
from sweep.errors import InputError, as_input_error
from trainables.table.spec import WHITESPACE, DataError, DataSpec

EVERY_S = 2.0


@click.command()
@FOLDER
@click.argument("idx", type=int)
@click.argument("file", metavar="NEW", type=str)
@click.option(
    "--out",
    type=LocalFile(),
    metavar="FILE",
    help="Where to write the predictions: .csv or .parquet.  [default: the standard output, as CSV]",
)
@TRUST
@JSON
def predict(folder: AnyPath, idx: int, file: str, out: Path | None, trust: bool, as_json: bool) -> None:
    """Predict the rows of the file NEW by the model of point IDX.

    NEW has raw rows, as the sweep's table has them, with texts and gaps. It is read and prepared like that table. Columns
    are found by name, in any order; the target is not needed. The answer has a row for each row of NEW: the target's number
    or class, and the probability of each class. This runs the plan's builder.
    """
    run = opened(folder)
    _check_out(out)
    say_builder(run, idx, trust)
    with as_input_error(), os.fdopen(os.dup(2), "w") as terminal, quiet():
        from sweep.models import preparation
        from sweep.models.predict import predict as predicted
        from sweep.models.predict import rows_of
        from sweep.plan.plan import Plan

        weights = run.weights(idx)
        prepared = preparation.kept(run.folder)
        spec = Plan.load(run.folder.plan).data_spec
        try:
            rows, notes_of_file, row = rows_of(file, spec, prepared.recipe if prepared else None)
        except DataError as error:  # the file is not named in the plan
            raise InputError(_for_another_file(error, spec)) from None
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # the notes say the same
            found = predicted(
                run.folder.path,
                run.config(idx),
                weights,
                rows,
                trust,
                file,
                _progress_to(terminal),
                run.seed(idx),
                row,
                as_table=True,
            )
    notes = [*notes_of_file, *found.attrs.get("notes", ())]
    found.attrs.clear()
    for note in notes:
        click.echo(f"Note: {printable(note)}", err=True)
    answer = {"idx": idx, "rows": len(found), "columns": list(found.columns), "notes": notes}
    if out is not None:
        replace_file(out, _content(found, out))
        wrote = f"Wrote {out}: {len(found):,} rows with {', '.join(map(printable, found.columns))}."
        click.echo(json.dumps({**answer, "out": str(out)}) if as_json else wrote)
    elif as_json:
        records = json.loads(found.to_json(orient="records", double_precision=15))
        click.echo(json.dumps({**answer, "predictions": records}))
    else:
        click.echo(found.to_csv(index=False), nl=False)


def _for_another_file(error: DataError, spec: DataSpec) -> str:
    """Return the message about a file that is not named in the plan, whose remedies therefore are no keys of the plan."""
    told = DataError(re.sub(r", or write a function that .*? my_data\.py:load", "", str(error)))
    said = told.with_remedy("Correct data.path", "Give another file").with_remedy(" in data.path", "")
    text = str(said)
    delimiter = "blanks" if spec.delimiter == WHITESPACE else f'"{spec.delimiter}"'
    for key, instead in (
        ("delimiter", f"Write {delimiter} between the fields, as in the sweep's table."),
        ("encoding", f"Save the file as {spec.encoding}, as the sweep's table is."),
        ("header", "Write the names of the columns into the first line, as in the sweep's table."),
    ):
        before, found, _ = text.rpartition(f" Set data.{key}")
        text = f"{before} {instead}" if found else text
    return text


def _check_out(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix not in (".csv", ".parquet"):
        raise InputError(f"--out got {out}, but needs a name that ends with .csv or .parquet.")
    if out.exists():
        raise InputError(f"{out} is there already. Remove it, or give another name.")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.absolute().parent}. Make it first.")


def _content(found: pd.DataFrame, out: Path) -> bytes:
    if out.suffix == ".csv":
        return found.to_csv(index=False).encode()
    buffer = io.BytesIO()
    found.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _progress_to(terminal: io.TextIOWrapper) -> Callable[[int, int], None]:
    """Return a function that prints a line every two seconds."""
    printed = time.monotonic()

    def progress(done: int, rows: int) -> None:
        nonlocal printed
        if time.monotonic() - printed >= EVERY_S and done < rows:
            printed = time.monotonic()
            print(f"{done:,} of {rows:,} rows", file=terminal, flush=True)

    return progress
