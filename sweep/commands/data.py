"""`sweep data`: it shows what a plan's table becomes and what may be wrong with it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import click

from sweep.commands.options import JSON, PLAN, loaded_plan
from sweep.commands.printing import printable
from sweep.plan.plan import PlanError
from sweep.plan.table import weight_columns
from trainables.table.spec import DataError


@click.command()
@PLAN
@JSON
def data(plan: Path | None, as_json: bool) -> None:
    """Show the table of PLAN as a sweep sees it: columns and what they become, parts, classes, and what may be wrong.

    Nothing is trained. If the table cannot be used, the columns are shown all the same, and then what is wrong.
    """
    from trainables.table import inputs, overview

    loaded = loaded_plan(plan)
    fault: PlanError | None = None
    try:
        table = loaded.table
    except PlanError as error:
        table, fault = None, error
    weights: list[str] = []
    with contextlib.suppress(PlanError):  # of the builder, which is a fault of the table already
        weights = weight_columns(loaded.space, loaded.found_builder)
    try:
        listed = overview.columns_of(loaded.data_spec, table, weights)
    except DataError as error:  # it cannot be read
        raise fault or error from None
    answer: dict[str, Any] = {"columns": listed}
    if table is not None:
        answer |= overview.parts_of(table, loaded.fit.validation_split)
        answer |= {
            "task": table.task,
            "targets": list(table.targets),
            "labels": list(table.classes),
            "features": list(table.features),
            "shape": inputs.shape(table.x_train),
            "notes": list(table.notes),
            "warnings": overview.warnings_of(table),
        }
    if as_json:
        if fault is not None:
            raise fault
        click.echo(json.dumps(answer))
        return
    _show(answer)
    if fault is not None:
        raise fault


def _show(answer: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from sweep.commands.tables import show

    if answer["columns"]:
        page = Table(box=None, header_style="bold")
        for name in ("column", "type", "gaps", "values", "distinct", "becomes"):
            page.add_column(name, overflow="fold")
        for one in answer["columns"]:
            gaps = f"{one['gaps']:,}" if one["gaps"] else ""
            cells = [one["column"], one["type"], gaps, one["values"], f"{one['distinct']:,}", one["becomes"]]
            # As `Text`, since names may have brackets and colons, such as "speed [km/h]".
            page.add_row(*(Text(printable(cell)) for cell in cells))
        show(page)
    if "rows" not in answer:
        return
    rows = ", ".join(f"{count:,} {name}" for name, count in answer["rows"].items())
    click.echo(f"rows       {rows}")
    shape = answer["shape"]
    several = shape if isinstance(shape, dict) else {"": shape}
    listed = [f"{name} {' x '.join(map(str, one))}".strip() for name, one in several.items()]
    click.echo(f"features   {printable(', '.join(listed))}")
    click.echo(f"target     {printable(', '.join(answer['targets']))} ({answer['task']})")
    for label, counts in answer["classes"].items():
        shares = ", ".join(
            f"{counts[name] / max(1, answer['rows'][name]):.1%} of {name}" for name in answer["rows"]
        )
        click.echo(f"class      {printable(label)}: {shares}")
    for kind in ("notes", "warnings"):
        for sentence in answer[kind]:
            click.echo(f"{kind[:-1]:<10} {printable(sentence)}")
