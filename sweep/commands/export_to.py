"""`sweep export-to`: it writes the points of a run into TensorBoard or MLflow."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import Progress

from results.export_to import event_files, mlflow_server
from results.export_to.chosen_points import Choice, ChosenPoints
from results.folder.path import AnyPath
from sweep.commands.chosen import opened, ranking
from sweep.commands.options import FOLDER, JSON, MODE, RANK_BY, WHERE
from sweep.commands.printing import printable
from sweep.errors import as_input_error
from sweep.process.exits import EXIT_STOPPED
from sweep.process.signals import Stopper

_LINE_EVERY_S = 10.0
_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Amount(click.ParamType):
    """A whole number of at least 0, or the word all."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "all":
            return sys.maxsize
        try:
            number = int(value)
        except ValueError:
            number = -1
        if number < 0:
            self.fail(f"got {value!r}, but needs a number such as 1000, or the word all.", param, ctx)
        return number


def _choosing(points: int, others: int, curves: int) -> Callable[[_Command], _Command]:
    """Add the options that choose the points, with these defaults."""
    amount: dict[str, Any] = {"type": _Amount(), "metavar": "N|all", "show_default": True}

    def added(command: _Command) -> _Command:
        for option in reversed([
            click.option("--points", default=str(points), help="How many of the best points.", **amount),
            click.option("--others", default=str(others), help="How many of the rest, drawn at random.", **amount),
            click.option("--curves", default=str(curves), help="How many of the best with learning curves.", **amount),
            RANK_BY,
            MODE,
            WHERE,
            JSON,
        ]):  # fmt: skip
            command = option(command)
        return command

    return added


@click.group("export-to")
def export_to() -> None:
    """Write points of a run into another tool: their settings, their metrics and the learning curves of the best.

    The command says what it left out; --points all --curves all takes everything. Ctrl-C stops it. Run it again to go on,
    also with larger numbers: it skips what is there already.
    """


@export_to.command()
@FOLDER
@click.argument("logdir", metavar="LOGDIR", type=click.Path(path_type=Path, file_okay=False))
@_choosing(points=800, others=200, curves=20)
def tensorboard(folder: AnyPath, logdir: Path, as_json: bool, **choice: Any) -> None:
    """Write points of DIR as event files into LOGDIR: a new or empty folder, or one with points of the same run.

    \b
    sweep export-to tensorboard DIR logs
    tensorboard --logdir logs               the points are in the tab HParams
    """
    chosen = _chosen_points(folder, choice)
    with as_input_error():
        _finish(event_files.write(chosen, logdir), chosen, str(logdir), as_json)
    if not as_json:
        click.echo(f"Look:      tensorboard --logdir {shlex.quote(str(logdir))}")


@export_to.command()
@FOLDER
@click.argument("uri", metavar="TRACKING_URI")
@click.option("--experiment", metavar="NAME", help="The experiment's name  [default: that of DIR]")
@_choosing(points=200, others=0, curves=20)
def mlflow(folder: AnyPath, uri: str, experiment: str | None, as_json: bool, **choice: Any) -> None:
    """Write points of DIR as runs to the MLflow server at TRACKING_URI. Needs the extra "mlflow".

    \b
    sweep export-to mlflow DIR http://localhost:5000
    """
    chosen = _chosen_points(folder, choice)
    with as_input_error():
        written = mlflow_server.write(chosen, uri, experiment or folder.resolve().name)
        _finish(written, chosen, uri, as_json)


def _chosen_points(folder: AnyPath, choice: dict[str, Any]) -> ChosenPoints:
    with as_input_error():
        run = opened(folder)
        ranking(folder, run.points, choice["by"], choice["mode"])
        return ChosenPoints(run, Choice(best=choice.pop("points"), **choice))


def _finish(written: Iterator[bool], chosen: ChosenPoints, target: str, as_json: bool) -> None:
    """Write the points one by one, show the progress, and say what was written and what was left out."""
    done, new = _through(written, len(chosen))
    stopped = done < len(chosen)
    if as_json:
        answer = {
            "points": done,
            "new": new,
            "curves": chosen.with_curves,
            "left_out": chosen.total - done,
        }
        click.echo(json.dumps({**answer, "stopped": stopped, "target": target}))
    else:
        for line in _report(chosen, done, new, target):
            click.echo(printable(line))
    if stopped:
        click.get_current_context().exit(EXIT_STOPPED)


def _report(chosen: ChosenPoints, done: int, new: int, target: str) -> Iterator[str]:
    count, choice = len(chosen), chosen.choice
    such = " that fulfil the condition" if choice.where else ""
    yield f"Points:    {done:,} of {chosen.total:,}{such} are in {target}, {new:,} of them new or completed."
    if done < count:
        yield f"Stopped with {count - done:,} open. What is written can be read; the same command goes on."
        return
    others = f" and {count - chosen.ranked:,} others" if count > chosen.ranked else ""
    ranked = f"They are the best {chosen.ranked:,} by {chosen.by}{others}; " if count < chosen.total else ""
    yield f"           {ranked}{chosen.with_curves:,} have learning curves."
    if chosen.unranked:
        yield (
            f"           {chosen.unranked:,} have no rank by {chosen.by}, such as failed points, so their learning curves "
            "are not taken."
        )
    counts = {
        "points": chosen.total - count,
        # No larger number of curves takes those of points without a rank.
        "of these points' learning curves": max(0, count - chosen.unranked - choice.curves),
    }
    if left_out := [f"{number:,} {what}" for what, number in counts.items() if number]:
        yield f"Left out:  {' and '.join(left_out)}. All of them: --points all --curves all"


def _through(written: Iterator[bool], total: int) -> tuple[int, int]:
    """Write the points until the end or Ctrl-C; return how many were done, and how many of them were new or completed."""
    done = new = 0
    console = Console(stderr=True)
    next_line = time.monotonic() + _LINE_EVERY_S
    with Stopper(ends_process=True) as stopper, stopper.deferred(), Progress(
        console=console, transient=True, disable=not console.is_terminal
    ) as progress:  # fmt: skip
        bar = progress.add_task("points", total=total)
        for is_new in written:
            done, new = done + 1, new + is_new
            progress.advance(bar)
            if stopper.is_set():
                break
            if not console.is_terminal and time.monotonic() >= next_line:
                next_line += _LINE_EVERY_S
                click.echo(f"{done:,} of {total:,} points", err=True)
    return done, new
