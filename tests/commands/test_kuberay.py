"""`sweep kuberay` writes the manifest, or refuses its input and writes nothing."""

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from tests.help.commands import refused, sweep
from tests.help.plans import SMALL_SPACE, write_plan

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


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"path": "../table.csv", "target": "target"}}, "data.path got ../table.csv"),
        (
            {"data": {"path": "table.csv", "target": "target", "test_path": "../table.csv"}},
            "data.test_path got",
        ),
        ({"data": {"path": "HERE/table.csv", "target": "target"}}, "data.path got /"),
        ({"builder": "../model.py:build"}, "builder got ../model.py:build"),
        ({"builder": "holdall:build"}, "builder got holdall:build"),
    ],
)
def test_files_that_the_image_lacks_are_refused_unless_it_is_another_image(
    here, tmp_path, monkeypatch, changes, said
):
    for name in ("model.py", "table.csv"):
        shutil.copy(name, here.parent)
    (tmp_path / "modules").mkdir()
    shutil.copy("model.py", tmp_path / "modules" / "holdall.py")
    monkeypatch.syspath_prepend(tmp_path / "modules")
    if "data" in changes:
        path = changes["data"]["path"].replace("HERE", str(here))
        changes = {"data": {**changes["data"], "path": path}}
    write_plan(here, **changes)
    arguments = ["plan.yaml", "--image", "r/i:1", "--out", "s3://b/x"]
    assert said in refused("kuberay", *arguments)
    assert sweep("kuberay", *arguments, "--plan-in-image", "/all/plan.yaml").exit_code == 0


def test_a_builder_that_is_installed_and_this_software_s_table_are_no_files_of_the_plan(here):
    write_plan(here, data="abalone", builder="trainables.abalone:build_and_compile_model", space=SMALL_SPACE)
    assert sweep("kuberay", "plan.yaml", "--image", "i", "--out", "s3://b/x").exit_code == 0


def test_a_folder_that_is_not_there_is_named():
    arguments = ["plan.yaml", "--image", "i", "--out", "s3://b/x", "--file", "jobs/job.yaml"]
    assert "jobs/job.yaml: there is no folder" in refused("kuberay", *arguments)
