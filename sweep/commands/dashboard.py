"""Access to a cluster through its dashboard: `submit`, `jobs`, `logs` and `stop` share these options and functions."""

from __future__ import annotations

import shlex
import sys

import click

from cluster.connect import reach
from cluster.errors import ClusterError
from cluster.submit.jobs import Jobs
from sweep.commands.printing import command
from sweep.process.exits import EXIT_STOPPED
from sweep.process.signals import StopRequested

DASHBOARD = click.option(
    "--address",
    envvar="RAY_API_SERVER_ADDRESS",
    default="http://127.0.0.1:8265",
    show_default=True,
    show_envvar=True,
    metavar="URL",
    help="The dashboard of the cluster.",
)
FOLLOW = click.option(
    "--follow", "-f", is_flag=True, help="Show the output until the sweep ends, and end with its exit code."
)
JOB = click.argument("job_id", metavar="ID")


def cluster_jobs(address: str, insecure: bool) -> Jobs:
    """Return the jobs of the cluster whose dashboard is at `address`.

    Raises:
        ClusterError: the cluster cannot be reached, or is not safe to use.
    """
    checked = reach.check_dashboard(address, insecure)
    if reach.sends_token_in_clear(checked) and not insecure:
        click.echo(
            f"Note: {checked} has no TLS, so others on the network can read the token. An SSH tunnel hides it: "
            "ssh -L 8265:localhost:8265 HEAD, and --address http://localhost:8265.",
            err=True,
        )
    return Jobs(checked)


def as_options(address: str, insecure: bool) -> str:
    """Return the options with which another command reaches the same cluster."""
    return f" --address {shlex.quote(address)}" + (" --insecure" if insecure else "")


def follow_to_end(jobs: Jobs, job_id: str, options: str) -> None:
    """Show a job's output to its end and exit with its code; Ctrl-C and a lost connection leave it running."""
    jobs.get(job_id)  # one that the cluster does not know is bad input
    again = f"Follow: {command()} logs {job_id} -f{options}"
    try:
        job = jobs.follow(job_id, lambda part: click.echo(part, nl=False))
    except (KeyboardInterrupt, StopRequested):
        click.echo(f"\nJob {job_id} goes on. {again}", err=True)
        sys.exit(0)
    except ClusterError as error:
        click.echo(f"\nNote: {error}\nMost likely job {job_id} goes on. {again}", err=True)
        sys.exit(EXIT_STOPPED)
    if not job.ended:
        click.echo(f"\nThe connection broke, but job {job_id} goes on. {again}", err=True)
        sys.exit(EXIT_STOPPED)
    if job.status == "SUCCEEDED":
        sys.exit(0)
    sys.exit(job.exit_code if job.exit_code else EXIT_STOPPED)
