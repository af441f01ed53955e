"""The commands `slurm` and `kuberay`: write what another system needs to run a sweep on machines of its own."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from results.folder.object_store import RemotePath
from results.folder.place import Place
from sweep.commands.options import Location, told
from sweep.errors import InputError

_OUT = click.option(
    "--out",
    type=Location(),
    required=True,
    metavar="DIR",
    help="The run's folder: a path that all nodes share, or a URI.",
)
_FILE = click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to FILE, not to the terminal.",
)
_RUN_OPTIONS = click.argument(
    "run_options", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTIONS OF sweep run]"
)
_PLAN = click.argument("plan", type=click.Path(path_type=Path))


@click.command()
@_PLAN
@_OUT
@click.option("--nodes", type=int, default=1, show_default=True, metavar="N", help="Nodes of the job.")
@click.option("--cpus-per-node", type=int, metavar="N", help="Cores of each; the whole node if not given.")
@click.option("--gpus-per-node", type=int, metavar="N", help="GPUs of each.")
@click.option("--mem-gb", type=float, metavar="GB", help="Memory of each, in GiB.")
@click.option("--time", metavar="TIME", help="Limit: minutes, HH:MM:SS or D-HH:MM:SS.")
@click.option("--partition", metavar="NAME", help="Where the job is queued.")
@click.option("--account", metavar="NAME", help="Who pays.")
@click.option("--qos", metavar="NAME", help="Quality of service.")
@click.option("--job-name", metavar="NAME", help="[default: sweep-PLAN]")
@click.option(
    "--sbatch",
    "others",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another option of sbatch; may be repeated.",
)
@click.option(
    "--setup",
    multiple=True,
    metavar="LINE",
    help="Bash to run first, such as a module load; may be repeated.",
)
@click.option("--port", type=int, help="Of Ray's head  [default: made from the job's number]")
@_FILE
@click.option("--submit", is_flag=True, help="Hand the script to sbatch.")
@_RUN_OPTIONS
def slurm(
    plan: Path,
    out: Place,
    others: tuple[str, ...],
    setup: tuple[str, ...],
    port: int | None,
    file: Path | None,
    submit: bool,
    run_options: tuple[str, ...],
    **parameters: Any,
) -> None:
    """Write a Slurm batch script that sweeps PLAN on N nodes; --submit queues it.

    Preempted or requeued, the job goes on where it was: only points without a row are trained. It ends with the exit
    code of `sweep run`. At most one such job a node: Ray's launcher takes a node with another Ray for its own.
    """
    from cluster.submit import slurm as backend

    command = [
        sys.executable,
        "-m",
        "sweep",
        *_checked(plan, str(plan.resolve()), _shared(out), run_options),
    ]
    parameters["job_name"] = parameters["job_name"] or "sweep-" + re.sub(r"[^A-Za-z0-9._-]", "-", plan.stem)
    with told():
        script = backend.batch_script(command, parameters, others=_pairs(others), setup=setup, port=port)
    _write(script, file, quiet=submit)
    if submit:
        with told():
            job = backend.submit(script)
        click.echo(f"Submitted job {job}.")
        click.echo(f"Next:    squeue --job {job}\n         sweep status {_shared(out)}")


@click.command()
@_PLAN
@_OUT
@click.option("--image", required=True, metavar="IMAGE", help="Holds this project and the plan's folder.")
@click.option(
    "--plan-in-image", metavar="PATH", help="Where PLAN is in the image  [default: /plans/ and its name]"
)
@click.option("--name", metavar="NAME", help="Of the RayJob  [default: sweep-PLAN]")
@click.option("--workers", type=int, default=1, show_default=True, metavar="N", help="Pods that train.")
@click.option("--max-workers", type=int, metavar="N", help="Up to how many the autoscaler may go.")
@click.option("--cpus", type=int, default=2, show_default=True, metavar="N", help="Cores of each pod.")
@click.option("--gpus", type=int, default=0, show_default=True, metavar="N", help="GPUs of each worker.")
@click.option(
    "--mem-gb", type=int, default=8, show_default=True, metavar="GB", help="Memory of each pod, GiB."
)
@click.option(
    "--secret", "secrets", multiple=True, metavar="NAME",
    help="A Secret whose keys become environment variables, such as those of S3; may be repeated.",
)  # fmt: skip
@click.option(
    "--token-secret",
    metavar="NAME",
    help="A Secret with the cluster's token; KubeRay makes one if not given.",
)
@click.option("--retries", type=int, default=3, show_default=True, metavar="N", help="New clusters to try.")
@click.option(
    "--ttl", "ttl_s", type=int, default=600, show_default=True, metavar="S", help="Kept when finished."
)
@click.option("--deadline", "deadline_s", type=int, metavar="S", help="Ended after so many seconds.")
@_FILE
@_RUN_OPTIONS
def kuberay(
    plan: Path,
    out: Place,
    plan_in_image: str | None,
    name: str | None,
    file: Path | None,
    run_options: tuple[str, ...],
    **pods: Any,
) -> None:
    """Write the manifest of a KubeRay RayJob that sweeps PLAN, for `kubectl apply --filename`.

    The image holds this project and the folder of the plan: cluster/Dockerfile is a recipe. The results go to a URI,
    as a pod's disk is gone with it. Needs KubeRay 1.5.1, or 1.6 with --token-secret. Checked against what KubeRay
    documents, not run on Kubernetes.
    """
    from importlib.metadata import version

    from cluster.submit.kuberay import NAME_LENGTH, RayJob

    if not isinstance(out, RemotePath):
        raise InputError(
            f"--out got {out}, but a pod's disk is gone with it. Name a URI, such as s3://BUCKET/{out}."
        )
    words = _checked(
        plan, plan_in_image or f"/plans/{plan.name}", str(out), ("--address", "auto", *run_options)
    )
    default = re.sub(r"[^a-z0-9]+", "-", f"sweep-{plan.stem}".lower())[:NAME_LENGTH].rstrip("-")
    with told():
        job = RayJob(name or default, command=["sweep", *words], ray_version=version("ray"), **pods)
        _write(job.to_yaml(), file)


def _checked(plan: Path, where: str, out: str, options: Iterable[str]) -> list[str]:
    """Check plan and options as `sweep run` will, and return its words, naming the plan as it is called there."""
    from sweep.commands.main import main
    from sweep.plan.plan import Plan

    words = [where, "--out", out, *options]
    # Answers an unknown or misspelt option like the command itself.
    main.commands["run"].make_context("run", list(words))
    _ = Plan.load(plan).table
    return ["run", *words]


def _shared(out: Place) -> str:
    """Return the run's folder as every node may name it."""
    return str(out.expanduser().resolve())


def _pairs(given: Iterable[str]) -> Mapping[str, str]:
    pairs = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--sbatch got {pair!r}, but needs KEY=VALUE, such as constraint=avx512.")
        pairs[key.removeprefix("--")] = value
    return pairs


def _write(text: str, file: Path | None, quiet: bool = False) -> None:
    if file is not None:
        file.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {file}.", err=True)
    elif not quiet:
        click.echo(text, nl=False)
