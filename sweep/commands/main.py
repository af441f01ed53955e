"""The command line: parse, one call, print. Each command imports what it needs only when it runs."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import click

from cluster.errors import ClusterError
from results.errors import ResultsError
from results.folder.place import Place
from sweep.commands import chosen, diagnose, export_to, report, scripts, submit
from sweep.commands.options import (
    INSECURE,
    JSON,
    PLAN_OPTIONS,
    Location,
    loaded_plan,
    printable,
    with_options,
)
from sweep.errors import InputError, SweepError
from trainables.errors import TrainablesError

EXIT_CODES = """\b
Exit codes:
  0  every point has a row and none failed
  1  every point has a row, some failed or ran out of time
  2  bad input; nothing was started
  3  stopped before the end; the same command resumes
"""


class _Commands(click.Group):
    """Answers bad input with one message."""

    def invoke(self, ctx: click.Context) -> Any:
        from sweep.process import supervisor
        from sweep.process.exits import EXIT_BAD_INPUT, EXIT_STOPPED
        from sweep.process.signals import StopRequested

        supervisor.begin()
        try:
            return super().invoke(ctx)
        except StopRequested:
            click.echo("Stopped.", err=True)
            ctx.exit(EXIT_STOPPED)
        except (SweepError, TrainablesError, ResultsError, ClusterError) as error:
            message = "\n".join(map(printable, str(error).split("\n")))
            click.echo(f"Error: {message if len(message) < 4000 else message[:4000] + '...'}", err=True)
            ctx.exit(EXIT_BAD_INPUT)
        finally:
            supervisor.end()


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="keras-grid-sweep")
def main() -> None:
    """Train every point of a grid of small Keras models, and keep every result in Parquet.

    \b
    sweep plan                      what the default plan would do, and how long it would take
    sweep run --points 60           train 60 random points of it
    sweep run plan.yaml --out DIR   train all points of your own plan; run it again to resume
    sweep status DIR                how far it is
    sweep top DIR                   the best points
    sweep report DIR                all of it on one page, to look at
    sweep importance DIR            which axes matter
    sweep effects DIR AXIS          what each value of an axis does
    sweep curves DIR                learning curves
    sweep account DIR               what ASHA did
    sweep diagnose DIR IDX          whether a point's model over-fits, where it is good, what moves it
    sweep export DIR IDX my.keras   the model of any point
    sweep export-to tensorboard ... points and curves in TensorBoard, or in MLflow
    sweep submit plan.yaml --out U  have a cluster run it; sweep jobs, logs and stop go with it
    sweep slurm PLAN --nodes N ...  a batch script for Slurm
    sweep kuberay PLAN --image IMG  a manifest for Kubernetes
    """


@main.command(epilog=EXIT_CODES)
@with_options(PLAN_OPTIONS)
@click.option(
    "--out", type=Location(), metavar="DIR", help="The run's folder, a path or s3://...  [default: runs/PLAN]"
)
@click.option(
    "--address",
    metavar="auto|HOST:PORT",
    help="Head of a running Ray cluster that this machine is a node of; without it, Ray runs on this machine alone.",
)
@INSECURE
@click.option("--submitted-as", type=click.Path(path_type=Path), hidden=True)
@JSON
def run(
    plan: Path | None,
    out: Place | None,
    points: int | None,
    idx: list[int] | None,
    cpus: int | None,
    address: str | None,
    insecure: bool,
    submitted_as: Path | None,
    as_json: bool,
    **overrides: Any,
) -> None:
    """Train the points of PLAN (a YAML file; the abalone grid if not given) that have no row in DIR yet.

    Running again on the same DIR resumes: only points without a row are trained. Ctrl-C stops, with all that is
    finished kept. --points and --idx choose some points; asking for more later adds to the same folder.
    """
    from sweep.commands import printing
    from sweep.driver import runner
    from sweep.process import supervisor
    from sweep.process.signals import Stopper

    if address is not None and not supervisor.is_supervised():
        from cluster.connect import reach

        head = reach.head_address(address)
        reach.check_head(head, insecure)
        sys.exit(supervisor.supervised(sys.argv[1:], head))
    out = out or Path("runs") / (plan.stem if plan else "abalone")
    with Stopper():  # the run has its own; this one is for the time before and after it
        loaded = loaded_plan(plan, out, **overrides)
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            outcome = runner.run(
                loaded, out, points=points, idx=idx, cpus=cpus, address=address, insecure=insecure,
                stored_plan=submitted_as.read_text(encoding="utf-8") if submitted_as else None,
            )  # fmt: skip
        if as_json:
            answer = {**outcome.tally.to_dict(), "folder": str(outcome.folder), "error": outcome.error}
            click.echo(json.dumps(answer))
        else:
            printing.ending(outcome, out)
    sys.exit(outcome.exit_code)


@main.command()
@with_options(PLAN_OPTIONS)
@click.option(
    "--timed",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Points to time; 0 skips it, and the cohorts.",
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

    A cohort is trained as one program by the fused engine. Builds some models and trains a few for a few epochs.
    """
    import os

    from sweep.driver.runner import checked_cpus
    from sweep.plan.order import Selection
    from sweep.process.tally import duration
    from sweep.process.view import noise_to

    loaded = loaded_plan(plan, **overrides)
    try:
        selection = Selection(len(loaded.space), loaded.seed, points, idx)
    except ValueError as error:
        raise InputError(str(error)) from None
    table = loaded.table
    answer: dict[str, Any] = {
        "points_in_space": len(loaded.space),
        "points": len(selection),
        "axes": {axis.name: len(axis) for axis in loaded.space.axes},
        "first_idx": list(itertools.islice(selection, 10)),
        "epochs_at_most": loaded.epochs,
        "milestones": list(loaded.training.milestones),
        "scheduler": loaded.scheduler,
        "engine": loaded.engine,
        "workers": checked_cpus(loaded, cpus) // loaded.resources.cpu,
        "train_rows": len(table.x_train),
        "test_rows": len(table.x_test),
        "features": len(table.features),
    }
    if timed:
        from sweep.driver import estimate

        with noise_to(Path(os.devnull)):
            try:
                answer |= estimate.estimate(loaded, list(selection), timed, answer["workers"])
            except ValueError as error:
                raise InputError(str(error)) from None
    if as_json:
        click.echo(json.dumps(answer))
        return
    axes = ", ".join(f"{name} ({count})" for name, count in answer["axes"].items())
    click.echo(f"points     {answer['points']:,} of {answer['points_in_space']:,}: {axes}")
    click.echo(
        f"order      shuffled by seed {loaded.seed}: idx {', '.join(map(str, answer['first_idx']))}, ..."
    )
    click.echo(f"data       {answer['train_rows']:,} train rows, {answer['test_rows']:,} test rows, "
               f"{answer['features']} features, target {table.target}")  # fmt: skip
    pruning = f", ASHA at epochs {answer['milestones']}" if loaded.scheduler == "asha" else ", no pruning"
    click.echo(f"budget     at most {loaded.epochs} epochs a point{pruning}")
    click.echo(f"workers    {answer['workers']}, engine {answer['engine']}")
    for points, why in answer.get("cohorts", []):
        click.echo(f"cohort     {points:,} points" + (f", one by one: {why}" if why else ""))
    if timed:
        click.echo(f"time       at most {duration(answer['at_most_s'])}, if no point stops early")


for _command in (
    chosen.status,
    chosen.top,
    chosen.importance,
    chosen.export,
    report.curves,
    report.effects,
    report.account,
    report.report,
    diagnose.diagnose,
    export_to.export_to,
    submit.submit,
    submit.jobs,
    submit.logs,
    submit.stop,
    scripts.slurm,
    scripts.kuberay,
):
    main.add_command(_command)


if __name__ == "__main__":
    main()
