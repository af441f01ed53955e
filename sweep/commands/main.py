"""The entry of the command line: `COMMANDS` lists all commands, and a command's module is imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from cluster.errors import ClusterError
from results.errors import ResultsError
from sweep.commands.printing import even_unread, printable
from sweep.errors import SweepError
from sweep.process import supervisor
from sweep.process.exits import EXIT_BAD_INPUT, EXIT_STOPPED
from sweep.process.signals import StopRequested
from trainables.errors import TrainablesError

COMMANDS = {
    "plan": "Say what PLAN would do: points, order, cohorts, and how long it would take at most.",
    "data": (
        "Show the table of PLAN as a sweep sees it: columns and what they become, parts, classes, and what may be wrong."
    ),
    "run": "Train the points of PLAN (a YAML file; the abalone grid if not given) that have no row in DIR yet.",
    "verify": "Train points of the run in DIR again by plain Keras, and compare them with their rows and curves.",
    "status": "Say how far the sweep in DIR is, from its files alone: it may be running, stopped or finished.",
    "top": "Print the best points in DIR.",
    "report": "Write a page about the sweep in DIR to FILE, by default DIR/report.html: one file that needs no network.",
    "importance": "Say which axes matter: how much of a metric's variance each axis, and each pair of axes, explains.",
    "effects": (
        "Say what the values of AXIS do: the metric's distribution for each value, and the differences, all else equal."
    ),
    "curves": "Show the learning curves of the points IDX, or of the best points, with their epochs, minima and rate cuts.",
    "account": (
        "Say what ASHA did: how many points reached and passed each rung, what it saved, and what it lost (--against)."
    ),
    "diagnose": "Answer four questions about the model of point IDX, from the test rows.",
    "export": "Write the model of point IDX, with the weights of its best epoch, to FILE, and a card beside it.",
    "predict": "Predict the rows of the file NEW by the model of point IDX.",
    "export-to": (
        "Write points of a run into another tool: their settings, their metrics and the learning curves of the best."
    ),
    "submit": "Have the cluster at URL run PLAN, and print the job's id.",
    "jobs": "List the sweeps that the cluster at URL knows of, the latest first.",
    "logs": "Show what the sweep ID has printed.",
    "stop": "Stop the sweep ID as Ctrl-C does: finished points are kept, and its log says how to resume.",
    "slurm": "Write a Slurm batch script that sweeps PLAN on N nodes; --submit queues it.",
    "kuberay": "Write the manifest of a KubeRay RayJob that sweeps PLAN, for `kubectl apply --filename`.",
    "doctor": "Say what this machine trains with and why, how fast it is, and what is missing, with the remedies.",
}
"""The first sentence of each command's help, by name. The command is in this package's module of the same name."""


class _Commands(click.Group):
    """Imports a command when it is called, and answers bad input with one message."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else imported(name), rest

    def invoke(self, ctx: click.Context) -> Any:
        supervisor.begin()
        try:
            return super().invoke(ctx)
        except (StopRequested, KeyboardInterrupt):  # the latter before the command handles Ctrl-C itself
            with even_unread():
                click.echo("Stopped.", err=True)
            ctx.exit(EXIT_STOPPED)
        except (SweepError, TrainablesError, ResultsError, ClusterError) as error:
            message = "\n".join(map(printable, str(error).split("\n")))
            with even_unread():
                click.echo(f"Error: {message if len(message) < 4000 else message[:4000] + '...'}", err=True)
            ctx.exit(EXIT_BAD_INPUT)
        except (
            PermissionError
        ) as error:  # of a folder of somebody else, wherever a command looks into it first
            if error.filename is None:
                raise
            said = f"{error.filename}: {error.strerror}. Correct the rights, or ask its owner."
            with even_unread():
                click.echo(f"Error: {printable(said)}", err=True)
            ctx.exit(EXIT_BAD_INPUT)
        finally:
            supervisor.end()


def module_of(name: str) -> str:
    """Return the name of the module with the command of this name."""
    return f"sweep.commands.{name.replace('-', '_')}"


def imported(name: str) -> click.Command:
    """Import the command of this name and return it."""
    module = module_of(name)
    found: click.Command = getattr(import_module(module), module.rpartition(".")[2])
    return found


@click.group(
    cls=_Commands,
    # These stand-ins let click list, complete and suggest the commands without importing them.
    commands={name: click.Command(name, help=sentence) for name, sentence in COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="keras-grid-sweep")
def main() -> None:
    """Train every point of a grid of small Keras models, and keep every result in Parquet.

    \b
    sweep plan                      what the default plan would do, and how long it would take
    sweep data plan.yaml            what your table becomes, and what may be wrong with it
    sweep run --points 60           train 60 random points of it
    sweep run plan.yaml --out DIR   train all points of your own plan; run it again to resume
    sweep status DIR                how far it is
    sweep verify DIR                whether its points are what Keras trains
    sweep top DIR                   the best points
    sweep report DIR                all of it on one page, to look at
    sweep importance DIR            which axes matter
    sweep effects DIR AXIS          what each value of an axis does
    sweep curves DIR                learning curves
    sweep account DIR               what ASHA did
    sweep diagnose DIR IDX          whether a point's model over-fits, where it is good, what moves it
    sweep export DIR IDX my.keras   the model of any point
    sweep predict DIR IDX new.csv   its predictions for raw rows
    sweep export-to tensorboard ... points and curves in TensorBoard, or in MLflow
    sweep submit plan.yaml --out U  have a cluster run it; sweep jobs, logs and stop go with it
    sweep slurm PLAN --nodes N ...  a batch script for Slurm
    sweep kuberay PLAN --image IMG  a manifest for Kubernetes
    sweep doctor                    what this machine trains with, and what is missing
    """


if __name__ == "__main__":
    main()
