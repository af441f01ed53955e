"""`sweep plan`: it shows what a plan would do, and how long it would take."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from sweep.commands.options import JSON, PLAN_OPTIONS, loaded_plan, with_options
from sweep.commands.printing import printable, quiet
from sweep.driver.comparable import note_on_weights
from sweep.driver.estimate import estimate
from sweep.driver.runner import checked_cpus
from sweep.errors import as_input_error
from sweep.plan.order import Selection
from sweep.plan.plan import Plan
from sweep.process import hardware, one_by_one
from sweep.process.tally import duration


@click.command()
@with_options(PLAN_OPTIONS)
@click.option(
    "--timed",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="How many points to time; 0 leaves out the time and the cohorts.",
)
@JSON
def plan(
    plan: Path | None,
    points: int | None,
    idx: list[int] | None,
    cpus: int | None,
    timed: int,
    as_json: bool,
    **overrides: Any,
) -> None:
    """Say what PLAN would do: points, order, cohorts, and how long it would take at most.

    A cohort is a group of points that one program trains: the native kernel (engine native), or else XLA (engine fused).
    The command builds some models and trains a few of them for a few epochs. With `repeats` in PLAN, it names their seeds,
    and counts the points of all repeats.
    """
    loaded = loaded_plan(plan, **overrides)
    with as_input_error():
        selection = Selection.of(loaded.space, loaded.seed, points, idx)
    table = loaded.table
    answer: dict[str, Any] = {
        "points_in_space": len(loaded.space),
        "points_different": loaded.space.different,
        "repeats": loaded.repeats,
        "points": len(selection),
        "axes": {axis.name: len(axis) for axis in loaded.space.axes},
        "first_idx": list(itertools.islice(selection, 10)),
        "epochs_at_most": loaded.epochs,
        "milestones": list(loaded.training.milestones),
        "scheduler": loaded.scheduler,
        "engine": loaded.engine,
        "workers": _workers(loaded, cpus, len(selection)),
        "train_rows": len(table.y_train),
        "test_rows": len(table.y_test),
        "features": len(table.features),
        "notes": [*loaded.notes, *filter(None, [note_on_weights(loaded)])],
    }
    if timed:
        with as_input_error(), quiet():
            answer |= estimate(loaded, list(selection), timed, answer["workers"])
        answer["warning"] = _about_one_by_one(answer) if loaded.engine == "auto" else ""
    if as_json:
        click.echo(json.dumps(answer))
        return
    axes = ", ".join(f"{name} ({count})" for name, count in answer["axes"].items())
    click.echo(f"points     {answer['points']:,} of {answer['points_different']:,}: {axes}")
    if loaded.repeats > 1:
        first, last = loaded.seed, loaded.seed + loaded.repeats - 1
        click.echo(
            f"repeats    {loaded.repeats}, with the seeds {first} to {last}: {loaded.space.configurations:,} "
            "configurations, each judged by its mean"
        )
    if only := loaded.space.only:
        conditions = ", ".join(f"{name} acts only where {text}" for name, text in only.items())
        click.echo(
            f"only       {answer['points_different']:,} of {answer['points_in_space']:,} points are different: "
            f"{printable(conditions)}"
        )
    click.echo(
        f"order      shuffled by seed {loaded.seed}: idx {', '.join(map(str, answer['first_idx']))}, ..."
    )
    click.echo(f"data       {answer['train_rows']:,} train rows, {answer['test_rows']:,} test rows, "
               f"{answer['features']} features, target {table.target}")  # fmt: skip
    for sentence in answer["notes"]:
        click.echo(f"note       {printable(sentence)}")
    pruning = f", ASHA at epochs {answer['milestones']}" if loaded.scheduler == "asha" else ", no pruning"
    click.echo(f"budget     at most {loaded.epochs} epochs a point{pruning}")
    click.echo(f"workers    {answer['workers']}, engine {answer['engine']}")
    for line in _cohorts(answer.get("cohorts", []), loaded.engine):
        click.echo(printable(line))
    if timed and answer["warning"]:
        click.echo(f"warning    {printable(answer['warning'])}")
    if timed:
        click.echo(f"time       at most {duration(answer['at_most_s'])}, if no point stops early")


def _workers(plan: Plan, cpus: int | None, points: int) -> int:
    """Return how many trials run at once on this machine: as many as its cores, its GPUs and the points allow."""
    found = min(checked_cpus(plan, cpus) // plan.resources.cpu, points)
    if plan.resources.gpu and (gpus := len(hardware.gpus())):  # none are listed without NVIDIA's tool
        found = min(found, max(1, int(gpus / plan.resources.gpu + 1e-6)))  # four quarters of a GPU are one
    return found


BY = {"native": "the native kernel", "fused": "XLA", "keras": "Keras, one by one"}
"""What trains the points of each engine."""


def _cohorts(cohorts: Sequence[dict[str, Any]], engine: str) -> Iterator[str]:
    """Yield a line for each kind of cohort: how many there are, what trains them, and why nothing faster does."""
    kinds = Counter((one["engine"], one["points"], one["why"]) for one in cohorts)
    for (trains, points, why), count in kinds.items():
        by = f", by {BY[trains]}"
        if trains == "keras" and engine in ("native", "fused"):
            by = f" fail, since the plan says `engine: {engine}`"
        times = f"{count:,} x " if count > 1 else ""
        yield f"cohort     {times}{points:,} points{by}" + (f": {why}" if why else "")


def _about_one_by_one(answer: dict[str, Any]) -> str:
    """Return one line about the points that would leave the fused engine; empty if they are at most a tenth."""
    left: Counter[str] = Counter()
    for cohort in answer["cohorts"]:
        if cohort["engine"] == "keras":
            left[cohort["why"]] += cohort["points"]
    return one_by_one.warning(left, answer["points"], answer.get("by_keras_s", 0.0), answer["workers"])
