"""The batch script is what it is meant to be, lets nothing in, and does its work on a real Slurm."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.submit.slurm import FLAGS, OTHERS, batch_script, submit
from tests.help import slurm_cluster
from tests.help.plans import write_plan
from tests.help.slurm_scripts import checked, directives
from tests.help.sweeps import SWEEP

GOLDEN = Path(__file__).with_name("slurm_golden.sh")
COMMAND = [
    "/opt/a venv/bin/python",
    "-m",
    "sweep",
    "run",
    "/home/é/my plan.yaml",
    "--out",
    "/scratch/out",
]
PARAMETERS = {"nodes": 3, "cpus_per_node": 16, "gpus_per_node": 2, "mem_gb": 7.5, "time": "1-12:00:00",
              "partition": "long", "account": "lab", "qos": None, "job_name": "sweep-plan"}  # fmt: skip
CANARY = "canary-6b1f0e"


def test_the_script_is_the_golden_one(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/a venv/bin/python")
    script = batch_script(
        COMMAND, PARAMETERS, others={"constraint": "avx512&ib"}, setup=["module load gcc", "cd '/a b'"]
    )
    assert checked(script) == GOLDEN.read_text()


def test_every_name_reaches_slurm_by_its_own():
    values = dict.fromkeys(FLAGS, 2)
    found = directives(checked(batch_script(COMMAND, values, others=dict.fromkeys(OTHERS, "x"))))
    assert {f"--{flag}={'2048M' if flag == 'mem' else 2}" for flag in FLAGS.values()} <= set(found)
    assert {f"--{name}=x" for name in OTHERS} <= set(found)
    assert {"--requeue", "--open-mode=append", "--export=NONE"} <= set(found) and "--exclusive" not in found


def test_a_job_that_says_no_cores_has_its_nodes_alone_and_one_node_listens_to_itself():
    script = checked(batch_script(COMMAND, {}, port=7000))
    assert "--exclusive" in directives(script) and "--nodes=1" in directives(script)
    assert "\naddress=127.0.0.1\nport=7000\n" in script and "scontrol" not in script


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parameters": {"node": 2}}, 'node" is no parameter. Valid ones are account, cpus_per_node'),
        ({"others": {"requeue": "0"}}, 'requeue" is no parameter for --sbatch. Valid ones are begin'),
        ({"others": {"export": "ALL"}}, 'export" is no parameter'),
        ({"parameters": {"nodes": 0}}, "nodes got 0, but needs a whole number from 1"),
        ({"parameters": {"gpus_per_node": "all"}}, "gpus_per_node got 'all'"),
        ({"parameters": {"mem_gb": -1}}, "mem_gb got -1"),
        ({"parameters": {"time": "soon"}}, "time got 'soon'"),
        ({"parameters": {"partition": "a b"}}, "partition got 'a b'"),
        ({"parameters": {"job_name": "a\n#SBATCH --uid=0"}}, "job_name got"),
        ({"others": {"comment": 'say "hi"'}}, "comment got"),
        ({"setup": ["echo 'x"]}, "No closing quotation"),
        ({"setup": ["a\nb"]}, "one line each"),
        ({"port": 80}, "port got 80"),
    ],
)
def test_what_cannot_be_used_is_said(options, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        batch_script(COMMAND, options.pop("parameters", {}), **options)


# Characters that a shell, sbatch or Python treats as more than themselves are drawn more often than others.
HOSTILE = st.text(
    st.one_of(st.sampled_from("'\"\\$`;&|<>(){}#\n\r\t !*?~\x7f\u2028é"), st.characters(codec="utf-8"))
)


@given(HOSTILE)
def test_a_value_is_one_word_of_one_line_or_refused(value):
    try:
        script = batch_script(COMMAND, {"job_name": value})
    except ValueError:
        return
    plain = batch_script(COMMAND, {"job_name": "x"})
    assert script == plain.replace("--job-name=x", f"--job-name={value}")
    assert value.isascii() and not set(value) & set(" \t\r\n'\"\\#")


@given(st.lists(HOSTILE.map(lambda text: text.replace("\0", "")), min_size=1))
def test_the_command_reaches_the_launcher_word_by_word(words):
    script = batch_script(words, {})
    start = script.index("    -- ") + len("    -- ")
    end = script.index(' --address "$address:$port"\ncode=')
    assert shlex.split(script[start:end]) == words


def test_bash_gives_every_word_to_the_command_as_it_is(tmp_path):
    words = ["a 'b' \"c\"", "$(touch danger)", "`touch danger`", "x;touch danger", "é\n#SBATCH --x", "-", ""]
    script = batch_script(
        [sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *words], {}
    )
    lines = script.splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("    -- "))
    end = next(number for number, line in enumerate(lines) if line.startswith("code="))
    run = "".join(lines[start:end]).removeprefix("    -- ")
    printed = subprocess.check_output(["bash", "-c", run], cwd=tmp_path, text=True)
    assert json.loads(printed)[:-2] == words and not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", ["false", "false # a remark", "false;", "false; # both", "true && false"])
def test_a_line_of_setup_that_fails_ends_the_job(line):
    script = checked(batch_script(COMMAND, {}, setup=["true; # a remark", line]))
    setup = script[script.index("true;") : script.index("export PATH")]
    assert subprocess.run(["bash", "-c", f"{setup}echo went on"], capture_output=True).returncode == 3
    assert subprocess.run(["bash", "-c", setup.replace("false", "true")]).returncode == 0


def test_submission_says_that_there_is_no_slurm_and_what_slurm_says(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="sbatch is not found"):
        submit("#!/bin/bash")
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2\nexit 1\n")
    sbatch.chmod(0o755)
    with pytest.raises(ValueError, match="refused the job: sbatch: error: invalid partition"):
        submit("#!/bin/bash")
    # The environment of whoever submits stays out of Slurm's records, whatever SBATCH_EXPORT says.
    sbatch.write_text('#!/bin/sh\n[ "$*" = "--parsable --export=NONE" ] && echo "17;cluster"\n')
    assert submit("#!/bin/bash") == "17"


@pytest.mark.slow
@pytest.mark.parametrize("way", ["requeued", "killed"])
def test_a_job_that_was_stopped_goes_on_on_a_real_slurm(workplace, way):
    """Two nodes. A requeue is SIGTERM and, after Slurm's patience, SIGKILL; where that is over, it is SIGKILL alone."""
    if why := slurm_cluster.missing():
        pytest.skip(why)
    write_plan(workplace, engine="keras", fit={"epochs": 40})
    log, token, out = workplace / "job.log", workplace / "a token", workplace / "out"
    command = [*SWEEP, "slurm", "plan.yaml", "--out", "out", "--nodes", "2", "--submit", "--file", "job.sh"]
    # Home is the same for all here, so the token is kept elsewhere; and nobody else's is touched.
    command += [
        "--setup",
        f"export RAY_AUTH_TOKEN_PATH={shlex.quote(str(token))}",
        "--sbatch",
        "output=job.log",
    ]

    def rows():
        return pd.read_parquet(out / "points")["idx"].tolist() if [*(out / "points").glob("*")] else []

    with slurm_cluster.SlurmCluster(2) as slurm:
        ran = slurm.run("env", f"AWS_SECRET_ACCESS_KEY={CANARY}", *command, cwd=workplace)
        assert ran.returncode == 0, ran.stderr
        job = ran.stdout.split()[2].rstrip(".")

        def wait_for(condition, timeout_s=240):
            deadline = time.monotonic() + timeout_s
            while not condition():
                assert time.monotonic() < deadline, f"{slurm.logs()}\n{log.read_text()[-5000:]}"
                time.sleep(0.5)

        def state():
            return slurm.fields("job", job)["JobState"]

        wait_for(lambda: len(rows()) >= 2)
        if way == "killed":
            slurm.run("scancel", "--signal=KILL", "--full", job)
            wait_for(lambda: state() not in ("RUNNING", "COMPLETING"))
        assert slurm.run("scontrol", "requeue", job).returncode == 0
        wait_for(lambda: state() == "PENDING")
        for left in Path("/tmp").glob(f"ray-{job}-*"):  # by the launchers that were killed
            assert way == "killed"
            shutil.rmtree(left)
        before = set(rows())
        assert 2 <= len(before) < 12
        # Else Slurm waits two minutes, for whatever is amiss with the nodes to be over.
        slurm.run("scontrol", "update", f"JobId={job}", "StartTime=now")
        wait_for(lambda: state() not in ("PENDING", "RUNNING", "COMPLETING"))
        shown = slurm.fields("job", job)
        records = b"".join(path.read_bytes() for path in slurm.folder.rglob("*") if path.is_file())
    text = log.read_text()
    assert (shown["JobState"], shown["ExitCode"], shown["Restarts"]) == ("COMPLETED", "0:0", "1"), text
    assert sorted(rows()) == list(range(12)) and before <= set(rows())
    # The first attempt stored what was finished and ended itself, if it had the time.
    assert way == "killed" or "points open" in text
    # The token is its owner's alone, and as secret as what the submitter's environment held.
    assert token.stat().st_mode & 0o777 == 0o600
    everything = text + (workplace / "job.sh").read_text()
    for secret in (token.read_text(), CANARY):
        assert secret not in everything and secret.encode() not in records
    files = [path for path in out.rglob("*") if path.is_file()]
    assert not [path for path in files if token.read_bytes() in path.read_bytes()]


@pytest.mark.slow
def test_the_job_ends_with_the_exit_code_of_the_sweep_on_a_real_slurm(workplace):
    """One node; the second job cannot start Ray, for which Ray's launcher itself would exit with 0."""
    if why := slurm_cluster.missing():
        pytest.skip(why)
    space = {"units": [2], "rate": [0.01], "behaviour": ["fine", "raises"]}
    write_plan(workplace, engine="keras", space=space)
    token = f"export RAY_AUTH_TOKEN_PATH={shlex.quote(str(workplace / 'token'))}"
    codes = []
    with slurm_cluster.SlurmCluster(1) as slurm:
        for setup in ("true", "export RAY_START_HOOK=no.such"):
            command = [
                *SWEEP,
                "slurm",
                "plan.yaml",
                "--out",
                "out",
                "--submit",
                "--setup",
                token,
                "--setup",
                setup,
            ]
            ran = slurm.run(*command, "--sbatch", "output=job.log", cwd=workplace)
            job = ran.stdout.split()[2].rstrip(".")
            deadline = time.monotonic() + 200
            while (shown := slurm.fields("job", job))["JobState"] in ("PENDING", "RUNNING", "COMPLETING"):
                assert time.monotonic() < deadline, (workplace / "job.log").read_text()[-5000:]
                time.sleep(0.5)
            codes.append((shown["JobState"], shown["ExitCode"]))
    assert codes == [("FAILED", "1:0"), ("FAILED", "3:0")], (workplace / "job.log").read_text()
