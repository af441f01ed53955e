"""`sweep stop`: it stops a submitted sweep."""

from __future__ import annotations

import sys

import click

from sweep.commands.dashboard import DASHBOARD, JOB, cluster_jobs
from sweep.commands.options import INSECURE


@click.command()
@JOB
@DASHBOARD
@INSECURE
def stop(job_id: str, address: str, insecure: bool) -> None:
    """Stop the sweep ID as Ctrl-C does: finished points are kept, and its log says how to resume."""
    jobs = cluster_jobs(address, insecure)
    before = jobs.get(job_id)
    if before.ended:
        click.echo(f"Job {job_id} had ended: {before.status}.")
        return
    job = jobs.stop(job_id)
    click.echo("".join(jobs.log(job_id).splitlines(keepends=True)[-25:]), nl=False)
    click.echo(f"Job {job_id}: {job.status}.")
    sys.exit(0 if job.ended else 3)
