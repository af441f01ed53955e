"""`sweep account`: it shows how many points ASHA stopped, what that saved and what it lost."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from results.analysis import account as accounts
from results.folder.path import AnyPath
from results.run import Run
from sweep.commands.chosen import opened, ranking
from sweep.commands.options import AGAINST, BY, FOLDER, JSON
from sweep.commands.tables import plain_table, records
from sweep.errors import InputError, as_input_error
from sweep.plan.asha import Asha


@click.command()
@FOLDER
@AGAINST
@BY
@JSON
def account(folder: AnyPath, against: AnyPath | None, by: str | None, as_json: bool) -> None:
    """Say what ASHA did: how many points reached and passed each rung, what it saved, and what it lost (--against)."""
    run = opened(folder)
    with as_input_error():
        by, mode = ranking(folder, run.points, by)
        rungs = accounts.rungs(run.rungs(), run.directions.mode)
    if rungs.empty:
        raise InputError(f"{folder}: no point has reached a rung. {_why_no_rungs(run)}")
    with as_input_error():
        answer: dict[str, Any] = dict(accounts.epochs(run.points, run.budget))
        if against:
            other = opened(against)
            accounts.check_comparable(run, other)
            lost = accounts.regret(run.points, other.points, by, mode)
            answer |= {"regret": asdict(lost), "saved": accounts.saved(run.points, other.points)}
            known = accounts.rank_correlation(run.rungs(), other.points, by, mode, run.directions.mode)
            rungs = rungs.merge(known.drop(columns="points"), on="milestone", how="left")
    if as_json:
        click.echo(json.dumps({**answer, "rungs": records(rungs)}))
        return
    plain_table(rungs, f"Points at each rung, and their {run.directions.log}")
    click.echo(f"{answer['spent']:,} epochs trained, {answer['pruned']:,} points pruned.")
    if not against:
        click.echo(
            f"At most {answer['saved_at_most']:,} epochs saved; some points would have stopped early by themselves. "
            "Give an exhaustive run of the same plan by --against to know."
        )
        return
    click.echo(f"{answer['saved']:,} epochs saved against the exhaustive run.")
    click.echo(
        f"By {by}, the winner here (idx {lost.winner}) is number {lost.rank:,} of {lost.points:,} there, and loses "
        f"{lost.lost:.4g} to the best (idx {lost.best})."
    )


def _why_no_rungs(run: Run) -> str:
    """Return a sentence that says why a run has no records of rungs."""
    if run.plan.get("scheduler") != "asha":
        return "The run is without ASHA."
    asha = Asha(**(run.plan.get("asha") or {}))
    epochs, first = run.budget, asha.grace_period
    if not asha.milestones(epochs):
        where = "before" if epochs < first else "at"
        return f"Its {epochs} epochs end {where} the first milestone, {first}, so ASHA stops no point (asha.grace_period)."
    return f"It has just begun, or all its points ended before the first milestone, {first}."
