"""`sweep kuberay`: it writes the manifest of a RayJob that runs a sweep on Kubernetes."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from cluster.submit.kuberay import NAME_LENGTH, RayJob
from results.folder.path import AnyPath, is_remote
from sweep.commands.scripts import FILE, OUT, PLAN, RUN_OPTIONS, run_words, write_script
from sweep.errors import InputError, as_input_error
from sweep.process.exits import RESUME


@click.command()
@PLAN
@OUT
@click.option(
    "--image", required=True, metavar="IMAGE", help="An image with this project and the plan's folder."
)
@click.option(
    "--plan-in-image", metavar="PATH", help="Where PLAN is in the image  [default: /plans/ and its name]"
)
@click.option("--name", metavar="NAME", help="The RayJob's name  [default: sweep-PLAN]")
@click.option("--workers", type=int, default=1, show_default=True, metavar="N", help="Pods that train.")
@click.option("--max-workers", type=int, metavar="N", help="The most that the autoscaler may start.")
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
@click.option(
    "--retries",
    type=int,
    default=3,
    show_default=True,
    metavar="N",
    help="How many further clusters to try if one is lost or the sweep stops before its end.",
)
@click.option(
    "--ttl",
    "ttl_s",
    type=int,
    default=600,
    show_default=True,
    metavar="S",
    help="Seconds after which a finished job's cluster is deleted.",
)
@click.option("--deadline", "deadline_s", type=int, metavar="S", help="Seconds after which the job is ended.")
@FILE
@RUN_OPTIONS
def kuberay(
    plan: Path,
    out: AnyPath,
    plan_in_image: str | None,
    name: str | None,
    file: Path | None,
    run_options: tuple[str, ...],
    **pods: Any,
) -> None:
    """Write the manifest of a KubeRay RayJob that sweeps PLAN, for `kubectl apply --filename`.

    The image holds this project and the folder of the plan; cluster/Dockerfile is a recipe. The results go to a URI, since
    a pod's disk ends with the pod. Needs KubeRay 1.5.1, or 1.6 with --token-secret. The manifest is checked against
    KubeRay's documentation; it was not run on Kubernetes.
    """
    if not is_remote(out):
        raise InputError(
            f"--out got {out}, but a pod's disk ends with the pod. Name a URI, such as s3://BUCKET/{out}."
        )
    where = plan_in_image or f"/plans/{plan.name}"
    options = ("--address", "auto", *run_options)
    words = run_words(plan, where, str(out), options, inside=plan_in_image is None)
    default = re.sub(r"[^a-z0-9]+", "-", f"sweep-{plan.stem}".lower())[:NAME_LENGTH].rstrip("-")
    with as_input_error():
        job = RayJob(
            name or default,
            command=["sweep", *words],
            ray_version=version("ray"),
            # A RayJob that has ended does not run again if it is applied.
            environment={
                RESUME: shlex.join(["kubectl", "replace", "--force", "--filename", str(file or "FILE")])
            },
            **pods,
        )
        write_script(job.to_yaml(), file)
