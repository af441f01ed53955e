"""`sweep slurm` writes the script, or refuses its input and writes nothing."""

import shlex

import pytest

from tests.help.commands import refused, sweep
from tests.help.slurm_scripts import checked, directives

pytestmark = pytest.mark.usefixtures("plan_here")


def test_the_command_writes_the_script(here):
    options = ["plan.yaml", "--out", "out", "--sbatch", "nice=5", "--", "--points", "3"]
    script = checked(sweep("slurm", *options).output)
    assert "--nice=5" in directives(script) and "--job-name=sweep-plan" in script
    run = shlex.join(["run", str(here / "plan.yaml"), "--out", str(here / "out"), "--points", "3"])
    assert f"-m sweep {run} --address" in script
    told = sweep("slurm", "plan.yaml", "--out", "s3://bucket/x", "--file", "job.sh")
    assert told.exit_code == 0 and told.output == "Wrote job.sh.\n"
    assert "--out s3://bucket/x " in (here / "job.sh").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan.yaml", "--out", "out", "--sbatch", "qos=x"], '"qos" is no parameter'),
        (["plan.yaml", "--out", "out", "--", "--pionts", "3"], "--pionts"),
        (["plan.yaml", "--out", "out", "--sbatch", "nice"], "KEY=VALUE"),
        (["plan.yaml", "--out", "out", "--nodes", "0"], "nodes got 0"),
        (["none.yaml", "--out", "out"], "no such plan"),
        (["plan.yaml"], "--out"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(here, arguments, said):
    plan, *options = arguments
    assert said in refused("slurm", plan, "--file", "job.sh", *options)
    assert not (here / "job.sh").exists()


def test_a_missing_table_is_refused(here):
    (here / "table.csv").unlink()
    assert "table.csv" in refused("slurm", "plan.yaml", "--out", "out", "--file", "job.sh")
    assert not (here / "job.sh").exists()
