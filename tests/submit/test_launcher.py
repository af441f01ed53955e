"""Ray's launcher outlives SIGTERM and says how the command ended. Whole jobs are in test_slurm.py."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cluster.submit.launcher import SHELL_SCRIPT


def shell(tmp_path, *command):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    told = tmp_path / "exit code"
    process = subprocess.Popen(["sh", "-c", SHELL_SCRIPT, str(told), *command], env=environment)
    return process, told


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_exit_code_is_told_and_passed_on(tmp_path, code):
    process, told = shell(tmp_path, "sh", "-c", f"exit {code}")
    assert process.wait(timeout=30) == code and told.read_text() == f"{code}\n"


@pytest.mark.heavy  # takes long
def test_sigterm_to_the_shell_waits_for_a_command_that_still_stores(tmp_path):
    mark = tmp_path / "mark"
    code = f"import pathlib, sys, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(1); sys.exit(3)"
    process, told = shell(tmp_path, sys.executable, "-c", code)
    deadline = time.monotonic() + 30
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 3 and told.read_text() == "3\n"


@pytest.mark.heavy
@pytest.mark.parametrize("module", ["cluster.submit.launcher", "cluster.launcher"])
def test_a_command_that_never_ran_is_told_by_an_empty_file(tmp_path, module):
    """Ray's launcher refuses an address that is none, after ours has started, also by its former address."""
    told = tmp_path / "told"
    told.touch()
    command = [
        "-m",
        module,
        str(told),
        "symmetric-run",
        "--address",
        "nowhere",
        "--",
        "true",
    ]
    ran = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1 and not told.read_text()
    assert "No module named" not in ran.stderr


def test_what_an_earlier_attempt_of_the_job_left_is_ended_and_nothing_else(tmp_path):
    """The processes of an earlier attempt are known by what Slurm has put into their environment."""
    attempts = {"earlier": ("77", "0"), "this": ("77", "1"), "another job's": ("78", "0")}
    started = {
        name: subprocess.Popen(
            ["sleep", "60"], env={**os.environ, "SLURM_JOB_ID": job, "SLURM_RESTART_COUNT": number}
        )
        for name, (job, number) in attempts.items()
    }
    try:
        code = "import cluster.submit.launcher; cluster.submit.launcher._end_what_is_left()"
        environment = {**os.environ, "SLURM_JOB_ID": "77", "SLURM_RESTART_COUNT": "1"}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
        assert started["earlier"].wait(timeout=30) == -signal.SIGKILL
        assert started["this"].poll() is None and started["another job's"].poll() is None
    finally:
        for process in started.values():
            process.kill()
            process.wait()
