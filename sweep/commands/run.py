"""`sweep run`: it trains the open points of a plan."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click
import pandas as pd

from cluster.connect import reach
from results.analysis import repeats
from results.analysis.leaderboard import leaderboard
from results.directions import Directions, UnknownModeError
from results.directions import read as read_directions
from results.folder.errors import FolderError
from results.folder.path import AnyPath
from results.folder.run_folder import RunFolder
from results.run import Run
from results.schema import NOT_WELL
from results.store.read import read_points
from results.verified import sentences
from sweep.commands.chosen import axes_of, repeated
from sweep.commands.options import (
    INSECURE,
    JSON,
    NO_VERIFY,
    PLAN_OPTIONS,
    RETRY_FAILED,
    Location,
    loaded_plan,
    with_options,
)
from sweep.commands.printing import command, even_unread, printable
from sweep.commands.tables import points_table
from sweep.commands.verify import again_of
from sweep.driver import runner
from sweep.process import one_by_one, supervisor
from sweep.process.exits import RESUME
from sweep.process.signals import Stopper
from sweep.process.tally import sentence
from trainables.error_text import cause_of

MOST_CAUSES = 5
"""How many reasons for failed points the ending lists."""

EXIT_CODES = """\b
Exit codes:
  0  every point has a row and none failed
  1  every point has a row; some failed, ran out of time, or are not what Keras trains
  2  bad input; nothing was trained, or the first models showed that the plan cannot be meant like that
  3  stopped before the end; the same command resumes
"""


@click.command(epilog=EXIT_CODES)
@with_options(PLAN_OPTIONS)
@click.option(
    "--out", type=Location(), metavar="DIR", help="The run's folder, a path or s3://...  [default: runs/PLAN]"
)
@click.option(
    "--address",
    metavar="auto|HOST:PORT",
    help="Head of a running Ray cluster that this machine is a node of; if not given, Ray runs on this machine alone.",
)
@INSECURE
@NO_VERIFY
@RETRY_FAILED
@click.option("--submitted-as", type=click.Path(path_type=Path), hidden=True)
@JSON
def run(
    plan: Path | None,
    out: AnyPath | None,
    points: int | None,
    idx: list[int] | None,
    cpus: int | None,
    address: str | None,
    insecure: bool,
    no_verify: bool,
    retry_failed: bool,
    submitted_as: Path | None,
    as_json: bool,
    **overrides: Any,
) -> None:
    """Train the points of PLAN (a YAML file; the abalone grid if not given) that have no row in DIR yet.

    Run it again on the same DIR to resume: it trains only points without a row. Ctrl-C stops it and keeps all finished
    points. --points and --idx choose some points; a later run with more points adds them to the same folder.

    A point that failed keeps its row, which has the error. If the cause is mended outside of the builder, --retry-failed
    trains these points again. After a change of the builder, a folder in which all points failed is used anew.

    With `repeats: 3` in PLAN, each point is trained with three seeds, and the points are ranked by their means.

    At the end the ten best points, and one in a thousand of the others, are trained again alone by plain Keras, as far as
    5% of the sweep's core time allows. `sweep verify` does the same without a limit.
    """
    if address is not None and not supervisor.is_supervised():
        head = reach.head_address(address)
        reach.check_head(head, insecure)
        sys.exit(supervisor.supervised(sys.argv[1:], head))
    out = out or Path("runs") / (plan.stem if plan else "abalone")
    # The run has its own Stopper; this one handles signals before and after it.
    with Stopper(ends_process=True):
        loaded = loaded_plan(plan, out, **overrides)
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            outcome = runner.run(
                loaded, out, points=points, idx=idx, cpus=cpus, address=address, insecure=insecure,
                stored_plan=submitted_as.read_text(encoding="utf-8") if submitted_as else None,
                resume=_resume(), verify=not no_verify, retry_failed=retry_failed, ends_process=True,
            )  # fmt: skip
        with even_unread():
            if as_json:
                found = outcome.verification
                answer = {**outcome.tally.to_dict(), "folder": str(outcome.folder), "error": outcome.error}
                answer["verification"] = sentences(found) if found else []
                click.echo(json.dumps(answer))
            else:
                _ending(outcome, out)
    sys.exit(outcome.exit_code)


def _ending(outcome: runner.Outcome, out: AnyPath) -> None:
    """Print how a run ended, its best points, and what to type next."""
    for note in outcome.notes:
        click.echo(f"Note: {printable(note)}")
    for note in outcome.tally.notes:
        click.echo(f"Note: {printable(sentence(note))}")
    for why, noted in outcome.tally.one_by_one.items():
        more = ", ..." if noted["points"] > len(noted["idx"]) else ""
        shown = ", ".join(map(str, noted["idx"])) + more
        click.echo(f"Trained {noted['points']:,} points (idx {shown}) one by one: {printable(why)}.")
    if warning := one_by_one.of_tally(outcome.tally):
        click.echo(f"Warning: {printable(warning)}")
    try:
        _what_came_out(
            read_points(RunFolder(out)), read_directions(RunFolder(out)), repeated(out), axes_of(out)
        )
    except FolderError as error:  # the store is unreachable, which has most likely stopped the run
        if not outcome.error:
            click.echo(f"\nNote: {error}")
    sweep, folder = command(), shlex.quote(str(out))
    if outcome.verification and not outcome.tally.open:
        click.echo()
        for line in sentences(outcome.verification, again_of(out) if outcome.verification.waiting else ""):
            click.echo(printable(line))
    if outcome.error:
        click.echo(f"\nError: {outcome.error}")
    if outcome.tally.open:
        click.echo(f"\nStopped with {outcome.tally.open:,} points open.")
        click.echo(f"Resume:  {_resume()}")
    click.echo(f"\nNext:    {sweep} top {folder} -n 20\n         {sweep} status {folder}")


def _resume() -> str:
    """Return the command that resumes this run."""
    return os.environ.get(RESUME) or f"{command()} {shlex.join(sys.argv[1:])}"


def _what_came_out(
    rows: pd.DataFrame, directions: Directions, run: Run | None = None, axes: Collection[str] = ()
) -> None:
    try:
        by, mode = directions.chosen()
    except UnknownModeError as error:
        by, mode = "", "min"
        if len(rows):
            click.echo(f"Note: {printable(str(error))}")
    judged = run.judged(rows, by, mode) if run and by in rows else rows
    if by in rows and len(best := leaderboard(judged, 10, by, mode)):
        click.echo()
        kind = f"mean {by} over {run.repeats} repeats" if run else by
        points_table(best, f"The {'ten ' if len(best) == 10 else ''}best by {kind}", shown=[by], axes=axes)
        for note in repeats.about(best, rows, run.grid, run.repeats) if run else []:
            click.echo(f"Note: {printable(note)}")
    failed = rows[rows["status"].isin(NOT_WELL)]
    if len(failed):
        click.echo(f"\n{len(failed):,} points failed or ran out of time:")
        causes = failed["error"].dropna().map(cause_of).value_counts()
        for message, count in causes.head(MOST_CAUSES).items():
            click.echo(f"  {count:,} x {printable(str(message))}")
        if (rest := causes.iloc[MOST_CAUSES:]).size:
            click.echo(f"  {rest.sum():,} for {len(rest):,} other reasons: see the column error of points/")
        click.echo("Once the cause is mended, the same command with --retry-failed trains them again.")
