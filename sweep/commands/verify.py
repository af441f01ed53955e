"""`sweep verify`: it trains points of a run again by plain Keras, and compares them with what the run has."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import click

from results.folder.path import AnyPath
from results.folder.run_folder import RunFolder
from results.run import Run
from results.schema import NOT_WELL
from results.verified import MOST, Entry, Verification, sentences, verification, write
from sweep.commands.chosen import opened
from sweep.commands.options import FOLDER, JSON
from sweep.commands.printing import command, printable
from sweep.errors import InputError, SweepError, as_input_error
from sweep.process.exits import EXIT_DONE, EXIT_SOME_FAILED, EXIT_STOPPED
from sweep.process.signals import Stopper

EXIT_CODES = """\b
Exit codes:
  0  every point that was checked is what Keras trains
  1  a point is not what Keras trains
  2  bad input; nothing was trained
  3  stopped before the end; the same command checks the rest
"""


@click.command(epilog=EXIT_CODES)
@FOLDER
@click.argument("idx", type=int, nargs=-1)
@click.option(
    "--points",
    type=click.IntRange(1),
    metavar="N",
    help="Check the N best points.  [default: as the plan's `verify` says, or 10]",
)
@click.option("--trust", is_flag=True, help="Run the builder even if it is not installed, or has changed.")
@JSON
def verify(folder: AnyPath, idx: tuple[int, ...], points: int | None, trust: bool, as_json: bool) -> None:
    """Train points of the run in DIR again by plain Keras, and compare them with their rows and curves.

    Without IDX these are the ten best points by the plan's objective among those that the native or the fused engine
    trained, and one in a thousand of the others; points that were verified before are left out. With IDX they are exactly
    these points. There is no limit of time. Ctrl-C keeps what was verified. This runs the plan's builder.
    """
    run = opened(folder)
    if idx and points:
        raise InputError("IDX and --points were both given, but only one can choose the points.")
    with as_input_error():
        rows = run.points
    with Stopper(ends_process=True) as stopper, stopper.deferred():
        from sweep.models.verify import loaded, verified

        click.echo(f"The models are made by the builder {printable(str(run.plan.get('builder')))}.", err=True)
        plan = loaded(run, trust)
        with run.folder.held():
            before = verification(run.folder, rows, points or plan.verify or MOST, plan.seed)
            entries = dict(before.entries)
            if not idx:
                run.directions.chosen()  # the best points are those of a known mode
            asked = _chosen(run, idx) if idx else before.waiting
            with _progress(as_json) as terminal:
                for point, entry, done in verified(run, plan, asked) if asked else ():
                    entries[point] = entry
                    _tell(point, entry, done, terminal)
                    if done:
                        write(run.folder, replace(before, entries=entries))
                    if stopper.is_set():
                        break
            stopped = stopper.is_set()
            why = "the verification was stopped" if stopped else ""
            found = replace(before, others=_others(before, entries), entries=entries, why=why)
            if entries:
                write(run.folder, found)
    if as_json:
        click.echo(json.dumps({**_as_json(found), "stopped": stopped}))
    else:
        for line in sentences(found, again_of(folder) if found.waiting else ""):
            click.echo(printable(line))
        if not found.best and not entries:
            click.echo(
                "Neither the native nor the fused engine trained a point of this run, so there is nothing to verify."
            )
    sys.exit(EXIT_SOME_FAILED if found.differing else EXIT_STOPPED if stopped else EXIT_DONE)


def again_of(folder: AnyPath) -> str:
    """Return the command that verifies a run, with --trust if it is refused without."""
    from sweep.models.rebuild import check_builder

    trust = ""
    try:
        check_builder(RunFolder(folder))
    except (SweepError, OSError, ValueError):
        trust = " --trust"
    return f"{command()} verify {shlex.quote(str(folder))}{trust}"


def _chosen(run: Run, idx: tuple[int, ...]) -> list[int]:
    rows = run.points.set_index("idx")
    for point in idx:
        if point not in rows.index:
            with as_input_error():
                run.check_is_trained(point)
            raise InputError(
                f"Point {point} has no row in {run.folder.path}. `sweep top` lists points that have."
            )
        status = rows.loc[point, "status"]
        if rows.loc[point, "epochs"] == 0 or status in NOT_WELL:
            raise InputError(
                f"The status of point {point} is {status!r}, so there is no training to compare. Choose another point."
            )
    return list(dict.fromkeys(idx))


def _others(before: Verification, entries: dict[int, Entry]) -> list[int]:
    return list(dict.fromkeys([*before.others, *(idx for idx in sorted(entries) if idx not in before.best)]))


@contextmanager
def _progress(as_json: bool) -> Iterator[TextIO | None]:
    """Silence Keras and TensorFlow; yield where the progress is shown."""
    from sweep.process.view import noise_to

    with noise_to(Path(os.devnull)) as terminal:
        yield None if as_json else terminal


def _tell(point: int, entry: Entry, done: bool, terminal: TextIO | None) -> None:
    if terminal is None:
        return
    live = terminal.isatty()
    text = f"point {point}: {entry.epochs} of {entry.of} epochs"
    if done:
        text += ", differs" if entry.differs else f", {entry.note}" if entry.note else ", as by Keras"
    if live:
        terminal.write(f"\r\x1b[K{printable(text)}" + ("\n" if done else ""))
    elif done:
        terminal.write(f"{printable(text)}\n")
    terminal.flush()


def _as_json(found: Verification) -> dict[str, object]:
    return {
        "best": list(found.best),
        "others": list(found.others),
        "agreeing": [idx for idx, entry in found.entries.items() if entry.agrees],
        "differing": {
            str(idx): [
                dict(zip(("column", "epoch", "found", "keras"), one, strict=True))
                for one in found.entries[idx].differences
            ]
            for idx in found.differing
        },
        "waiting": found.waiting,
        "sentences": sentences(found),
    }
