"""`sweep slurm` writes the script, or refuses its input and writes nothing."""

import shlex
import subprocess
import sys

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
    (here / "link").symlink_to(here)  # the nodes need not have what a link points to here
    link = shlex.quote(str(here / "link" / "out"))
    assert f"--out {link} " in sweep("slurm", "plan.yaml", "--out", "link/out").output


def resume(script):
    """Return the command to resume that the job of a script prints."""
    exports = "".join(line for line in script.splitlines(keepends=True) if "SWEEP_RESUME" in line)
    return subprocess.check_output(["bash", "-c", f'{exports}printf %s "$SWEEP_RESUME"'], text=True)


def test_the_job_says_how_it_is_queued_again(here, monkeypatch):
    options = ["slurm", "plan.yaml", "--out", "my runs", "--", "--points", "3"]
    monkeypatch.setattr(sys, "argv", ["sweep", *options])
    expected = "sweep slurm --submit plan.yaml --out 'my runs' -- --points 3"
    assert resume(sweep(*options).output) == expected
    sweep("slurm", "--file", "a job.sh", *options[1:])
    assert resume((here / "a job.sh").read_text()) == f"sbatch {shlex.quote(str(here / 'a job.sh'))}"


def test_after_a_submission_each_command_can_be_pasted(here, monkeypatch):
    binaries = here / "binaries"
    binaries.mkdir()
    (binaries / "sbatch").write_text("#!/bin/sh\ncat >script\necho 7\n")
    (binaries / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(binaries), prepend=":")
    monkeypatch.setattr(sys, "argv", ["sweep", "slurm", "plan.yaml", "--submit", "--out", "my runs"])
    told = sweep(*sys.argv[1:]).output
    assert told.endswith(f"squeue --job 7\n         sweep status {shlex.quote(str(here / 'my runs'))}\n")
    assert resume((here / "script").read_text()) == "sweep slurm plan.yaml --submit --out 'my runs'"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan.yaml", "--out", "out", "--sbatch", "qos=x"], '"qos" is no parameter'),
        (["plan.yaml", "--out", "out", "--", "--pionts", "3"], "--pionts"),
        (["plan.yaml", "--out", "out", "--sbatch", "nice"], "KEY=VALUE"),
        (["plan.yaml", "--out", "out", "--nodes", "0"], "nodes got 0"),
        (["none.yaml", "--out", "out"], "no such plan"),
        (["plan.yaml"], "--out"),
        (["plan.yaml", "--out", "out", "--file", "jobs/job.sh"], "job.sh: there is no folder"),
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
