"""`sweep jobs`: it lists the sweeps that were submitted to a cluster."""

from __future__ import annotations

import json

import click

from sweep.commands.dashboard import DASHBOARD, cluster_jobs
from sweep.commands.options import INSECURE, JSON


@click.command()
@DASHBOARD
@INSECURE
@JSON
def jobs(address: str, insecure: bool, as_json: bool) -> None:
    """List the sweeps that the cluster at URL knows of, the latest first."""
    found = cluster_jobs(address, insecure).all()
    if as_json:
        click.echo(
            json.dumps([{**vars(job), "started": job.started and job.started.isoformat()} for job in found])
        )
        return
    for job in found:
        started = f"{job.started:%Y-%m-%d %H:%M:%S} UTC" if job.started else "-"
        click.echo(f"{job.job_id}  {job.status:9}  {started}  {job.out}")
    if not found:
        click.echo("No sweep was submitted here.")
