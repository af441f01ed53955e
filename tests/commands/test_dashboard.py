"""What the commands about jobs print, and how they end; jobs of a real cluster are in tests/submit/test_jobs.py."""

import json
from datetime import UTC, datetime

import pytest

from cluster.errors import ClusterError
from cluster.submit.jobs import Job
from sweep.commands import dashboard, jobs, logs, stop
from tests.help.commands import sweep

URL = "http://127.0.0.1:8265"
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def job(status, exit_code=None, started=STARTED):
    return Job("raysubmit_1", status, "/out", started, exit_code, "")


class KnownJobs:
    """A Jobs server that knows one job; it can be interrupted while a person follows the job."""

    def __init__(self, before, after=None, interrupted=None):
        self.before, self.after, self.interrupted = before, after or before, interrupted
        self.stopped = False

    def all(self):
        return [self.before] if self.before else []

    def get(self, job_id):
        return self.before

    def log(self, job_id):
        return "".join(f"line {number}\n" for number in range(40))

    def follow(self, job_id, write):
        write("as it comes\n")
        if self.interrupted:
            raise self.interrupted
        return self.after

    def stop(self, job_id):
        self.stopped = True
        return self.after


@pytest.fixture
def server(monkeypatch):
    """Return a function that has the commands find these jobs."""

    def known(*arguments, **named):
        made = KnownJobs(*arguments, **named)
        for module in (jobs, logs, stop):  # each has imported the function
            monkeypatch.setattr(module, "cluster_jobs", lambda address, insecure: made)
        return made

    return known


def test_jobs_are_listed_in_lines_or_in_json(server):
    server(job("RUNNING"))
    assert sweep("jobs").stdout == "raysubmit_1  RUNNING    2026-01-02 03:04:05 UTC  /out\n"
    [found] = json.loads(sweep("jobs", "--json").stdout)
    assert (found["job_id"], found["status"], found["out"]) == ("raysubmit_1", "RUNNING", "/out")
    assert found["started"] == "2026-01-02T03:04:05+00:00"
    server(job("PENDING", started=None))
    assert sweep("jobs").stdout == "raysubmit_1  PENDING    -  /out\n"
    server(None)
    assert sweep("jobs").stdout == "No sweep was submitted here.\n"


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (job("SUCCEEDED", 0), 0),
        (job("FAILED", 1), 1),
        (job("FAILED", 2), 2),
        (job("STOPPED"), 3),
        (job("FAILED"), 3),  # its driver died without a code
    ],
)
def test_who_follows_a_job_ends_with_its_exit_code(server, ended, code):
    server(job("RUNNING"), ended)
    found = sweep("logs", "raysubmit_1", "--follow")
    assert found.exit_code == code and found.stdout == "as it comes\n"


def test_who_stops_following_is_told_how_to_follow_again(server):
    server(job("RUNNING"), interrupted=KeyboardInterrupt())
    found = sweep("logs", "raysubmit_1", "-f", "--address", "http://a b:1", "--insecure")
    assert found.exit_code == 0
    assert "goes on. Follow: sweep logs raysubmit_1 -f --address 'http://a b:1' --insecure" in found.stderr


def test_who_loses_the_connection_is_told_how_to_follow_again(server):
    again = "job raysubmit_1 goes on. Follow: sweep logs raysubmit_1 -f --address http://127.0.0.1:8265\n"
    for after, interrupted in ((job("RUNNING"), None), (None, ClusterError("No answer."))):
        server(job("RUNNING"), after, interrupted=interrupted)
        found = sweep("logs", "raysubmit_1", "-f")
        assert found.exit_code == 3 and found.stderr.endswith(again), found.stderr
    assert "Note: No answer.\n" in found.stderr


def test_a_stop_shows_the_end_of_the_log_and_how_the_job_ended(server):
    known = server(job("RUNNING"), job("STOPPED"))
    found = sweep("stop", "raysubmit_1")
    assert found.exit_code == 0 and known.stopped
    lines = found.stdout.splitlines()
    assert (lines[0], lines[-2], lines[-1]) == ("line 15", "line 39", "Job raysubmit_1: STOPPED.")
    server(job("RUNNING"))  # it does not stop in time
    assert sweep("stop", "raysubmit_1").exit_code == 3
    known = server(job("SUCCEEDED", 0))
    found = sweep("stop", "raysubmit_1")
    assert found.exit_code == 0 and found.stdout == "Job raysubmit_1 had ended: SUCCEEDED.\n"
    assert not known.stopped


def test_a_token_that_others_could_read_is_noted_unless_that_is_meant(monkeypatch, capsys):
    monkeypatch.setattr(dashboard, "Jobs", lambda address: address)
    monkeypatch.setattr(dashboard.reach, "check_dashboard", lambda address, insecure: address)
    for clear, insecure, noted in ((True, False, True), (True, True, False), (False, False, False)):
        monkeypatch.setattr(dashboard.reach, "sends_token_in_clear", lambda address: clear)  # noqa: B023
        assert dashboard.cluster_jobs(URL, insecure) == URL
        assert ("others on the network can read the token" in capsys.readouterr().err) is noted
