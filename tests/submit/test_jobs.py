"""Jobs: a sweep runs on a cluster that was handed it, is followed, stopped and resumed, and loses nothing."""

import contextlib
import http.server
import json
import os
import signal
import threading
import time
import types

import pandas as pd
import pytest
import yaml

from cluster.errors import ClusterError
from cluster.submit import jobs as jobs_server
from cluster.submit.jobs import SOFTWARE, Jobs
from tests.help import clusters
from tests.help.commands import refused
from tests.help.plans import write_plan

pytestmark = [pytest.mark.timeout(1200), pytest.mark.heavy, pytest.mark.long(90)]

TOKEN = "token-that-nobody-may-see-" + "6" * 40
CANARY = "canary-of-a-secret-in-the-environment"


@pytest.fixture(scope="module")
def cluster():
    with clusters.running(nodes=1, dashboard=True, token=TOKEN) as found:
        yield found


@pytest.fixture
def jobs(cluster, sweeps, monkeypatch):
    """The command with what a submitter has: the token, and secrets of its own."""
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", cluster.url)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    return sweeps


def submitted(jobs, *arguments):
    code, output = jobs.run("submit", "plan.yaml", "--out", "out", "--json", *arguments)
    assert code == 0, output
    return json.loads(output.splitlines()[-1])


def listed(jobs):
    code, output = jobs.run("jobs", "--json")
    assert code == 0, output
    return {job["job_id"]: job for job in json.loads(output.splitlines()[-1])}


@pytest.mark.ci
def test_a_submitted_sweep_is_followed_to_its_end(jobs, cluster):
    """One of its points fails, which the exit code of who follows tells, too."""
    write_plan(
        jobs.folder, space={"units": [2], "rate": [0.1], "behaviour": ["fine", "raises"]}, fit={"epochs": 2}
    )
    code, output = jobs.run("submit", "plan.yaml", "--out", "out", "--follow")
    assert code == 1 and "1 points failed" in output, output
    assert "2/2 points" in output and "The best by loss_va" in output and "Traceback" not in output
    assert sorted(jobs.rows()["status"]) == ["completed", "failed"]
    # The folder's plan has the paths of who submitted it, so that models are made anew here.
    assert yaml.safe_load((jobs.out / "plan.yaml").read_text())["data"]["path"] == str(
        jobs.folder / "table.csv"
    )
    job_id = output.split("Job ")[1].split()[0]
    assert listed(jobs)[job_id]["status"] == "FAILED" and listed(jobs)[job_id]["out"] == str(jobs.out)
    code, log = jobs.run("logs", job_id)
    assert code == 0 and "2/2 points" in log
    # Neither the token nor a secret of the submitter is in any file or record.
    told = [
        path.read_bytes() for path in [*jobs.out.rglob("*"), *cluster.scratch.rglob("*")] if path.is_file()
    ]
    for secret in (TOKEN, CANARY):
        assert not any(secret.encode() in content for content in told), secret
        assert secret not in json.dumps(listed(jobs)) + output + log


@pytest.mark.slow
def test_a_sweep_submitted_again_goes_on_where_it_ended(jobs):
    write_plan(jobs.folder, fit={"epochs": 2})
    for points in ("3", "4"):
        code, output = jobs.run("submit", "plan.yaml", "--out", "out", "--points", points, "--follow")
        assert code == 0 and f"{points}/{points} points" in output, output
        if points == "3":
            rows = jobs.rows()
    assert len(jobs.rows()) == 4
    pd.testing.assert_frame_equal(jobs.rows().head(3), rows)


@pytest.mark.ci
def test_a_sweep_outlives_its_terminal_is_stopped_and_goes_on(jobs):
    write_plan(jobs.folder, engine="keras", fit={"epochs": 2}, resources={"cpu": 1})
    process = jobs.start("submit", "plan.yaml", "--out", "out", "--follow")
    clusters.wait_until(lambda: len(jobs.rows()) >= 1, 300)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    again = submitted(jobs)
    assert again["state"] == "is running already"
    before, job_id = len(jobs.rows()), again["job"]
    clusters.wait_until(lambda: len(jobs.rows()) > before, 300)

    code, output = jobs.run("stop", job_id)
    assert code == 0 and f"Job {job_id}: STOPPED" in output, output
    resume = output.split("Resume:  ")[1].splitlines()[0]
    assert resume.endswith("submit plan.yaml --out out --follow") and "Traceback" not in output
    kept = jobs.rows()
    assert 2 <= len(kept) < 12 and kept["idx"].is_unique
    code, output = jobs.run("stop", job_id)
    assert code == 0 and "had ended: STOPPED" in output

    process = jobs.start("submit", "plan.yaml", "--out", "out", "--follow")
    for line in process.stdout:
        if "points" in line:
            break
    process.send_signal(signal.SIGINT)  # ends the following, not the job
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0 and "goes on. Follow:" in output and "Traceback" not in output
    clusters.wait_until(lambda: len(jobs.rows()) == 12, 300)
    rows = jobs.rows()
    assert sorted(rows["idx"]) == list(range(12))
    pd.testing.assert_frame_equal(rows.head(len(kept)), kept)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["submit", "plan.yaml"], "Missing option '--out'"),
        (["submit", "missing.yaml", "--out", "out"], "missing.yaml"),
        (["submit", "plan.yaml", "--out", "out", "--points", "0"], "points"),
        (
            ["submit", "plan.yaml", "--out", "out", "--address", "127.0.0.1:6379"],
            "dashboard, such as http://HEAD:8265",
        ),
        (["jobs", "--address", "http://127.0.0.1:1"], "No Ray dashboard answers"),
    ],
)
def test_bad_input_is_one_message(workplace, monkeypatch, arguments, words):
    monkeypatch.chdir(workplace)
    write_plan(workplace)
    began = time.monotonic()
    assert words in refused(*arguments)
    assert time.monotonic() - began < 60  # two on an idle machine
    assert not (workplace / "out").exists()


@contextlib.contextmanager
def dying_head(status=200):
    """The address of a head that answers what it is and which job it runs, and nothing else.

    `status` is that of its answers about jobs.
    """
    details = {"type": "SUBMISSION", "submission_id": "one", "status": "RUNNING", "entrypoint": "python"}
    answers = {
        "/api/version": {"version": "4", "ray_version": "2.40.0", "ray_commit": "", "session_name": ""},
        "/api/jobs/": [{**details, "metadata": {"software": SOFTWARE, "out": "/out"}}],
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path in answers:
                content = json.dumps(answers[self.path]).encode()
                self.send_response(200 if self.path == "/api/version" else status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_POST = do_PUT = do_GET  # noqa: N815  # any other answer is cut off

        def log_message(self, format, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_head_that_dies_after_it_has_answered_is_one_message(monkeypatch):
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    for name in ("SETTLE_S", "POLL_S"):
        monkeypatch.setattr(jobs_server, name, 0)
    with dying_head() as address:
        jobs = Jobs(address)
        assert [job.job_id for job in jobs.all()] == ["one"]
        assert jobs.follow("one", print).status == "RUNNING"
        for request in (jobs.stop, jobs.log):
            with pytest.raises(ClusterError, match=f"{address} cannot do this: .+ the cluster is alive"):
                request("one")
    for request in (jobs.stop, lambda job_id: jobs.follow(job_id, print)):
        with pytest.raises(ClusterError, match=f"{address} cannot do this: .+ the cluster is alive"):
            request("one")


class Client:
    """A client of Ray whose connections show the texts of a list; only after the last one, the job has ended."""

    def __init__(self, *connections):
        self.connections = [*connections]

    async def tail_job_logs(self, job_id):
        for part in self.connections.pop(0):
            yield part
        if self.connections:
            raise RuntimeError("WebSocket connection closed unexpectedly with close code 1006")

    def list_jobs(self):
        status, metadata = "RUNNING" if self.connections else "SUCCEEDED", {"software": SOFTWARE}
        found = {"submission_id": "one", "status": status, "metadata": metadata, "message": None}
        return [types.SimpleNamespace(**found, start_time=None)]


def test_a_connection_that_breaks_is_made_again_and_nothing_is_shown_twice(monkeypatch):
    for name in ("SETTLE_S", "POLL_S", "RECONNECTS"):
        monkeypatch.setattr(jobs_server, name, 0)
    jobs, shown = Jobs.__new__(Jobs), []
    jobs.address = "http://127.0.0.1:8265"
    jobs._client = Client(["1\n", "2"], ["1\n2\n3", "\n"], ["1", "\n2\n3\n4\n"])
    assert jobs.follow("one", shown.append).status == "SUCCEEDED"
    assert shown == ["1\n", "2", "\n3", "\n", "4\n"]


def test_a_server_that_refuses_the_token_later_is_one_message(monkeypatch):
    """Such as a proxy, or a head that was started again with another token."""
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    with dying_head(status=403) as address:
        jobs = Jobs(address)
        with pytest.raises(ClusterError, match=f"{address} refuses the token of this user: .*failed") as told:
            jobs.all()
    assert "\n" not in str(told.value)
