"""`sweep doctor`: it says what this machine trains with, how fast it is, and what is missing."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from dataclasses import asdict
from typing import Any

import click

from cluster.connect.local import available_cpus
from cluster.connect.token import TOKEN_FILE, token
from cluster.errors import ClusterError
from sweep.commands.options import JSON
from sweep.commands.printing import printable
from sweep.process import hardware, packages
from sweep.process.packages import Missing
from sweep.process.provenance import versions
from trainables.native import library
from trainables.native.library import VARIABLE, NoKernelError

WORKER_MB = 1536
"""MiB that one worker takes, most of it for TensorFlow."""

EXIT_MISSING = 1
"""The exit code if something is missing without which no sweep can run."""

SHOWN = ("Python", "keras-grid-sweep", "ray", "tensorflow", "keras", "numpy")
"""The packages whose versions fit on a line; the JSON has more."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CLUSTER_VARIABLES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_MODE")

EXIT_CODES = """\b
Exit codes:
  0  this machine has all that a sweep needs
  1  something that a sweep needs is missing
"""


@click.command(epilog=EXIT_CODES)
@JSON
def doctor(as_json: bool) -> None:
    """Say what this machine trains with and why, how fast it is, and what is missing, with the remedies.

    It asks the machine and the installed packages, and trains nothing. It takes about a second.

    \b
    engine     native: the kernel in C++ trains one model in each lane of the processor's vectors
               fused: XLA compiles what trains, if there is no kernel for this machine; then the reason is named
    processor  its name, and the cores that this process may use
    memory     what a container's limit leaves, and how much is free
    product    the best rate of float32 matrix products that NumPy reaches on one core: what to compare rates
               with; a busy machine reaches less
    """
    found = examined()
    if as_json:
        click.echo(json.dumps(found))
    else:
        _show(found)
    if not found["ok"]:
        sys.exit(EXIT_MISSING)


def examined() -> dict[str, Any]:
    """Return what the command says, as JSON has it."""
    missing = [*packages.missing(), *packages.optional()]
    memory_mb, free_mb = hardware.memory_mb()
    cores, gpus, peak = available_cpus(), hardware.gpus(), hardware.gemm_peak()
    engine, lack = _engine()
    missing += lack
    missing += _about_memory(cores, free_mb)
    missing += _about_gpus(gpus)
    if not any(map(shutil.which, BROWSERS)):
        remedy = "apt-get install chromium chromium-driver"
        missing.append(Missing("chromium", "make picture, and the tests of the report", remedy))
    cluster, lack = _cluster()
    missing += lack
    return {
        "ok": not any(one.needed for one in missing),
        **engine,
        "system": f"{platform.system()} {platform.release()}",
        "processor": hardware.processor(),
        "architecture": platform.machine(),
        "cores": cores,
        "memory_mb": memory_mb,
        "memory_free_mb": free_mb,
        "gemm_gflops": None if peak is None else peak / 1e9,
        "gpus": gpus,
        "versions": versions(),
        "cluster": cluster,
        "missing": [asdict(one) for one in missing],
    }


def _engine() -> tuple[dict[str, Any], list[Missing]]:
    try:
        kernel = library.load()
    except NoKernelError as error:
        lack = (
            [Missing("native kernel", "training several times as fast", error.remedy)] if error.remedy else []
        )
        return {"engine": "fused", "kernel": None, "lanes": None, "why": error.reason}, lack
    engine = {"engine": "native", "kernel": kernel.name, "lanes": kernel.lanes}
    if forced := os.environ.get(VARIABLE):
        return {**engine, "why": f"{VARIABLE}={forced}"}, []
    lack = [
        Missing(f"native kernel {name}: {reason}", "training faster", library.AGAIN)
        for name, reason in library.lacking_in_place_of(kernel.name).items()
    ]
    return {**engine, "why": "the best that was built and that this processor can run"}, lack


def _about_memory(cores: int, free_mb: float) -> list[Missing]:
    workers = max(1, int(free_mb // WORKER_MB))
    if workers >= cores:
        return []
    what = f"free memory of about {WORKER_MB / 1024:.1f} GiB for each worker"
    return [Missing(what, f"a worker on each of the {cores} cores", f"sweep run --cpus {workers}")]


def _about_gpus(gpus: list[str]) -> list[Missing]:
    if not gpus or not packages.lacks_cuda():
        return []
    remedy = 'pip install "tensorflow[and-cuda]", unless CUDA is installed in the system'
    return [Missing("TensorFlow's packages of CUDA", "resources: {gpu: 1} in a plan", remedy)]


def _cluster() -> tuple[dict[str, Any], list[Missing]]:
    """Return the settings by which a cluster is reached, without the token itself."""
    named = os.environ.get("RAY_AUTH_TOKEN_PATH") or str(TOKEN_FILE)
    where, lack = "RAY_AUTH_TOKEN" if os.environ.get("RAY_AUTH_TOKEN") else named, []
    try:
        has_token = token() is not None
    except ClusterError as error:
        has_token = False
        needed = os.environ.get("RAY_AUTH_MODE") != "disabled"
        lack = [Missing("the token of Ray", "a sweep", str(error), needed)]
    return {
        "token": where if has_token else None,
        "variables": {name: os.environ[name] for name in CLUSTER_VARIABLES if os.environ.get(name)},
        "launchers": [name for name in ("sbatch", "kubectl") if shutil.which(name)],
    }, lack


def _show(found: dict[str, Any]) -> None:
    if found["engine"] == "native":
        click.echo(
            f"engine     native: kernel {found['kernel']}, {found['lanes']} models a vector; {found['why']}"
        )
    else:
        click.echo(f"engine     fused: XLA, without a native kernel, since {printable(found['why'])}")
    cores = f"{found['cores']} core{'s' if found['cores'] > 1 else ''}"
    click.echo(
        f"processor  {printable(found['processor'])} ({found['architecture']}), {cores} for this process"
    )
    total, free = (found[name] / 1024 for name in ("memory_mb", "memory_free_mb"))
    click.echo(f"memory     {total:.1f} GiB, of which {free:.1f} are free")
    if peak := found["gemm_gflops"]:
        click.echo(f"product    {peak:.0f} GFLOP/s on one core: float32 matrices, by NumPy")
    click.echo(f"GPU        {printable(', '.join(found['gpus'])) or 'none'}")
    click.echo(f"system     {found['system']}")
    listed = ", ".join(f"{name} {found['versions'][name]}" for name in SHOWN)
    click.echo(f"versions   {listed}")
    click.echo(f"cluster    {printable(_cluster_text(found['cluster']))}")
    needed = [one for one in found["missing"] if one["needed"]]
    if not needed:
        click.echo("\nThis machine has all that a sweep needs.")
    _list("Missing, and no sweep runs without it:", needed)
    _list("Missing, and needed only for one thing:", [one for one in found["missing"] if not one["needed"]])


def _cluster_text(cluster: dict[str, Any]) -> str:
    named = ", ".join(f"{name}={value}" for name, value in cluster["variables"].items())
    held = f"token in {cluster['token']}" if cluster["token"] else "no token"
    launchers = "".join(f", {name} is here" for name in cluster["launchers"])
    return f"{named or 'no RAY_ADDRESS: sweeps run on this machine'}; {held}{launchers}"


def _list(title: str, missing: list[dict[str, Any]]) -> None:
    if not missing:
        return
    click.echo(f"\n{title}")
    for one in missing:
        click.echo(f"  {printable(one['what'])}, for {one['needed_for']}\n      {printable(one['remedy'])}")
