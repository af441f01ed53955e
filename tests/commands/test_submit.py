"""What `sweep submit` hands to a cluster; jobs of a real cluster are in tests/submit/test_jobs.py."""

import pytest

from sweep.commands import submit
from tests.help.commands import refused, sweep

pytestmark = pytest.mark.usefixtures("plan_here")


class NoJobs:
    """A Jobs server without jobs, which keeps what it was handed."""

    address = "http://127.0.0.1:8265"

    def running_into(self, out):
        return None

    def submit(self, folder, command, out, environment):
        self.command, self.out, self.environment = command, out, environment
        return "raysubmit_1"


@pytest.fixture
def server(monkeypatch):
    made = NoJobs()
    monkeypatch.setattr(submit, "cluster_jobs", lambda address, insecure: made)
    return made


def test_the_options_of_the_run_are_passed_on(server):
    assert sweep("submit", "plan.yaml", "--out", "out").exit_code == 0
    assert not {"--retry-failed", "--no-verify"} & {*server.command}
    options = ["--points", "3", "--cpus", "2", "--retry-failed", "--no-verify"]
    assert sweep("submit", "plan.yaml", "--out", "out", *options).exit_code == 0
    assert {"--points=3", "--cpus=2", "--retry-failed", "--no-verify"} <= {*server.command}


def test_no_cores_are_refused_at_once(server):
    assert "--cpus got 0" in refused("submit", "plan.yaml", "--out", "out", "--cpus", "0")


def test_the_head_gets_the_path_as_it_was_given(server, here):
    """What a link points to here, such as the target of an automounted home, may be missing there."""
    (here / "local disk").mkdir()
    (here / "link").symlink_to(here / "local disk")
    for given, expected in (("link/a/../run", here / "link" / "run"), ("s3://bucket/x", "s3://bucket/x")):
        assert sweep("submit", "plan.yaml", "--out", given).exit_code == 0
        assert server.out == str(expected) and str(expected) in server.command
