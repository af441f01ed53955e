"""`sweep kuberay` writes the manifest, or refuses its input and writes nothing."""

from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from tests.help.commands import refused, sweep

pytestmark = pytest.mark.usefixtures("plan_here")


def test_the_command_writes_the_manifest():
    arguments = [
        "plan.yaml", "--image", "r/i:1", "--out", "s3://b/x", "--secret", "keys", "--max-workers", "4"
    ]  # fmt: skip
    found = yaml.safe_load(sweep("kuberay", *arguments, "--", "--points", "7").output)
    assert found["metadata"]["name"] == "sweep-plan"
    words = "python -m cluster.submit.retryable sweep run /plans/plan.yaml --out s3://b/x --address auto --points 7"
    assert found["spec"]["entrypoint"] == words
    assert found["spec"]["rayClusterSpec"]["rayVersion"] == version("ray")
    told = sweep("kuberay", *arguments, "--plan-in-image", "/my plans/p.yaml", "--file", "job.yaml")
    written = yaml.safe_load(Path("job.yaml").read_text())
    assert told.exit_code == 0 and "'/my plans/p.yaml'" in written["spec"]["entrypoint"]
    # `kubectl apply` would find the ended RayJob unchanged.
    (pod,) = written["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    resume = {"name": "SWEEP_RESUME", "value": "kubectl replace --force --filename job.yaml"}
    assert resume in pod["env"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan.yaml", "--out", "runs/x", "--image", "i"], "such as s3://BUCKET/runs/x"),
        (["plan.yaml", "--out", "s3://b/x"], "--image"),
        (["none.yaml", "--out", "s3://b/x", "--image", "i"], "no such plan"),
        (["plan.yaml", "--out", "s3://b/x", "--image", "i", "--cpus", "0"], "cpus got 0"),
        (["plan.yaml", "--out", "s3://b/x", "--image", "i", "--wrokers", "2"], "--wrokers"),
        (["plan.yaml", "--out", "s3://b/x", "--image", "i", "--", "--pionts", "2"], "--pionts"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(arguments, said):
    plan, *options = arguments
    assert said in refused("kuberay", plan, "--file", "job.yaml", *options)
    assert not Path("job.yaml").exists()
