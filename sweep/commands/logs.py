"""`sweep logs`: it shows what a submitted sweep has printed."""

from __future__ import annotations

import click

from sweep.commands.dashboard import DASHBOARD, FOLLOW, JOB, as_options, cluster_jobs, follow_to_end
from sweep.commands.options import INSECURE


@click.command()
@JOB
@FOLLOW
@DASHBOARD
@INSECURE
def logs(job_id: str, follow: bool, address: str, insecure: bool) -> None:
    """Show what the sweep ID has printed."""
    jobs = cluster_jobs(address, insecure)
    if follow:
        follow_to_end(jobs, job_id, as_options(address, insecure))
    click.echo(jobs.log(job_id), nl=False)
