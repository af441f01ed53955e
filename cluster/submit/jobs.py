"""Submits, lists, follows and stops sweeps as jobs of a Ray cluster's Jobs server.

The driver of a job runs on the cluster, so the terminal that submitted it may be closed. The metadata of a job say that it
is a sweep and which folder it writes to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.connect import ray_internals
from cluster.errors import ClusterError

SOFTWARE = "keras-grid-sweep"
STOP_WAIT_S = 60
"""Seconds that a stopped sweep has to store finished points; Ray's default is 3."""

POLL_S = 1.0
SETTLE_S = 5.0
"""Seconds after the end of its output within which a job has ended."""

RECONNECTS = 5
"""So many connections in a row may show nothing new of a job that goes on."""

AGENT_WAIT_S = 60.0
"""Seconds that a head may need after its start until it accepts jobs."""


@dataclass(frozen=True)
class Job:
    """A submitted sweep.

    Attributes:
        job_id: the submission's id.
        status: Ray's status: PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED.
        out: the folder that it writes to.
        started: when it began, in UTC; None if it has not begun.
        exit_code: of `sweep run` if it has ended by itself, else None.
        message: Ray's message about the job.
    """

    job_id: str
    status: str
    out: str
    started: datetime | None
    exit_code: int | None
    message: str

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.status in ("STOPPED", "SUCCEEDED", "FAILED")


class Jobs:
    """The Jobs server of a cluster.

    Attributes:
        address: of the cluster's dashboard, checked by `reach.check_dashboard`, such as `http://HEAD:8265`.

    Raises:
        ClusterError: there is no Jobs server at the address.
    """

    def __init__(self, address: str) -> None:
        from ray.job_submission import JobSubmissionClient

        for name in ray_internals.UPLOAD_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)  # they report each upload
        self.address = address
        with self._explained():
            self._client = JobSubmissionClient(address)

    def submit(self, folder: Path, command: Sequence[str], out: str, environment: Mapping[str, str]) -> str:
        """Start a job that runs this software on the head, and return its id.

        Args:
            folder: sent to the cluster, where it becomes the job's working directory.
            command: the arguments of `python`.
            out: the folder that the sweep writes to.
            environment: variables of the driver. All users can read them in the job's record, so they must not be secrets.

        Raises:
            ClusterError: the server does not accept the job.
        """
        request: dict[str, Any] = {
            # exec: the signals of a stop must reach the sweep, not only a shell.
            "entrypoint": f'P="{ray_internals.HEADS_PYTHON}"; exec "${{P:-python}}" {shlex.join(command)}',
            "runtime_env": {
                "working_dir": str(folder),
                "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S), **environment},
            },
            "metadata": {"software": SOFTWARE, "out": out},
        }
        deadline = time.monotonic() + AGENT_WAIT_S
        with self._explained():
            while True:
                try:
                    return str(self._client.submit_job(**request))
                except RuntimeError as error:  # the cluster may have just started
                    if ray_internals.NO_AGENT not in str(error) or time.monotonic() > deadline:
                        raise
                time.sleep(POLL_S)

    def all(self) -> list[Job]:
        """Return the sweeps that the server has a record of, the latest first."""
        with self._explained():
            found = [details for details in self._client.list_jobs() if _is_sweep(details)]
        return [_job(details) for details in sorted(found, key=lambda d: d.start_time or 0, reverse=True)]

    def running_into(self, out: str) -> Job | None:
        """Return the sweep that is writing to the folder `out` now, or None."""
        return next((job for job in self.all() if job.out == out and not job.ended), None)

    def get(self, job_id: str) -> Job:
        """Return the sweep with this id.

        Raises:
            ClusterError: there is none.
        """
        known = self.all()
        for job in known:
            if job.job_id == job_id:
                return job
        listed = ", ".join(job.job_id for job in known[:5]) or "none"
        raise ClusterError(
            f'{self.address} knows no sweep "{job_id}". It knows of: {listed}. See `sweep jobs`.'
        )

    def log(self, job_id: str) -> str:
        """Return the output of a job so far."""
        self.get(job_id)
        with self._explained():
            return str(self._client.get_job_logs(job_id))

    def follow(self, job_id: str, write: Callable[[str], None]) -> Job:
        """Pass the output of a job to `write` until the job has ended, and return the job.

        If the connection ends before the job, another one is made. The job that is returned goes on if that did not help.

        Raises:
            ClusterError: there is no such job, or the server no longer answers.
        """
        self.get(job_id)
        shown = failures = 0

        async def tail() -> None:
            nonlocal shown
            sent = 0  # each connection begins with the first character of the log
            async for part in self._client.tail_job_logs(job_id):
                sent += len(part)
                if sent > shown:
                    write(part[shown - sent :])
                    shown = sent

        while True:
            before = shown
            try:
                asyncio.run(tail())
            except BrokenPipeError:  # nobody reads what is written here
                raise
            except _client_errors():
                pass  # the status tells whether it matters
            failures = 0 if shown > before else failures + 1
            try:
                job = self.wait(job_id, SETTLE_S)
            except ClusterError:
                if failures > RECONNECTS:
                    raise
            else:
                if job.ended or failures > RECONNECTS:
                    return job
            time.sleep(POLL_S)

    def stop(self, job_id: str) -> Job:
        """Ask a job to stop, as Ctrl-C does, wait until it has stopped, and return it."""
        if not self.get(job_id).ended:
            with self._explained():
                self._client.stop_job(job_id)
        return self.wait(job_id, STOP_WAIT_S + 30)

    def wait(self, job_id: str, timeout_s: float = 60) -> Job:
        """Wait until a job has ended, for `timeout_s` at most, and return it."""
        deadline = time.monotonic() + timeout_s
        while not (job := self.get(job_id)).ended and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return job

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the errors of Ray's client into a `ClusterError`."""
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:  # its text goes on with advice for who starts the cluster
            raise ClusterError(
                f"The Jobs server at {self.address} refuses the token of this user: {error.message.splitlines()[0]}. "
                "Copy ~/.ray/auth_token from the head again, and try again."
            ) from None
        except _client_errors() as error:
            reason = str(error).split("Traceback")[0].strip().rstrip(".") or type(error).__name__
            raise ClusterError(
                f"The Jobs server at {self.address} cannot do this: {reason}. Check that the cluster is alive, "
                "and try again."
            ) from None


def _client_errors() -> tuple[type[Exception], ...]:
    """Return the errors of Ray's client: when the head dies, all requests but the first raise those of its libraries."""
    import aiohttp
    import requests

    return RuntimeError, ConnectionError, requests.exceptions.RequestException, aiohttp.ClientError


def _is_sweep(details: Any) -> bool:
    return (details.metadata or {}).get("software") == SOFTWARE and bool(details.submission_id)


def _job(details: Any) -> Job:
    began = details.start_time
    return Job(
        details.submission_id,
        str(getattr(details.status, "value", details.status)),
        details.metadata.get("out", ""),
        datetime.fromtimestamp(began / 1000, UTC) if began else None,
        getattr(details, "driver_exit_code", None),
        details.message or "",
    )
