"""`sweep status`: it shows how far a sweep is."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

import click

from results.folder.path import AnyPath
from results.folder.run_folder import RunFolder
from results.store.outbox import spooled
from results.verified import sentences, verification
from sweep.commands.chosen import rows_of
from sweep.commands.options import FOLDER, JSON
from sweep.commands.printing import command, printable
from sweep.process.tally import best_text, counts_text, duration, read_progress

_HOW = re.compile(r"(--address [\w.:\[\]-]+)?( ?--insecure)?( ?--cpus \d+)?( ?--no-verify)?")
"""What `Tally.options` may be. The folder may come from a stranger, and the user pastes the command into a shell."""


@click.command()
@FOLDER
@JSON
def status(folder: AnyPath, as_json: bool) -> None:
    """Say how far the sweep in DIR is, from its files alone: it may be running, stopped or finished."""
    rows = rows_of(folder)
    run_folder = RunFolder(folder)
    last = read_progress(run_folder)
    counts = {str(name): int(count) for name, count in rows["status"].value_counts().items()}
    running = run_folder.is_held()
    if last:  # the rows are newer than the tally of a driver that died
        last["done"] = len(rows) - last.get("outside", 0)
        last["open"] = max(0, last["asked"] - last["done"])
    state = "running" if running else "finished" if last and not last["open"] else "stopped"
    kept = spooled(run_folder.spool)
    verified = sentences(verification(run_folder, rows)) if run_folder.verified.is_file() else []
    answer = {
        **last,
        "kept_here": kept,
        "verification": verified,
        "state": state,
        "rows": len(rows),
        "counts_in_folder": counts,
        "folder": str(folder),
    }
    if running:
        answer["holder"] = run_folder.holder()
    if as_json:
        click.echo(json.dumps(answer))
        return
    click.echo(f"state      {state}" + (f", by {printable(answer['holder'])}" if running else ""))
    click.echo(f"rows       {len(rows):,}: {counts_text(counts)}")
    if last:
        click.echo(f"asked for  {last['asked']:,} points, {last['open']:,} open")
        eta = duration(last["eta_s"]) if running else "-"
        click.echo(
            f"rate       {last['points_per_minute']:.1f} points a minute, "
            f"{duration(last['training_s'])} of training, ETA {eta}"
        )
        click.echo(f"workers    {last['workers']}, {last['memory_mb']:,.0f} MiB")
        if best := last["best"]:
            click.echo(
                f"best       {printable(best_text(best))} at idx {best['idx']}: {printable(str(best['config']))}"
            )
    for line in verified:
        click.echo(f"verified   {printable(line)}")
    if answer["kept_here"]:
        click.echo(f"kept here  {answer['kept_here']:,} points, finished but not stored: {run_folder.spool}")
    if state == "stopped":
        words = [
            command(),
            "run --out",
            shlex.quote(str(folder)),
            last.get("selection", ""),
            _how(last),
        ]
        click.echo(f"Resume:    {' '.join(filter(None, words))}")


def _how(last: Mapping[str, Any]) -> str:
    """Return the options that say where and how the last run trained; empty if they are not such options."""
    options = str(last.get("options", ""))
    return options if _HOW.fullmatch(options) else ""
