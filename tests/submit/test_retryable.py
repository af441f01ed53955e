"""The entrypoint of a RayJob fails only if another cluster may do better."""

import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from cluster.submit.kuberay import RayJob
from tests.help.repository import ROOT

JOB = RayJob("a", "i", ["sweep", "run", "it's $HOME.yaml"], "2.60.0")


@pytest.fixture
def image(tmp_path):
    """Return a function that starts the entrypoint with a script in place of `sweep`; by default in a shell, as Ray does."""

    def start(script, shell=True):
        for name, text in {"sweep": script, "python": f'exec "{sys.executable}" "$@"'}.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        path = f"{tmp_path}:{os.environ['PATH']}"
        entrypoint = JOB.manifest()["spec"]["entrypoint"]
        return subprocess.Popen(
            entrypoint if shell else shlex.split(entrypoint), shell=shell, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "SWEEP_PAUSE_S": "0.1"}, start_new_session=True,
        )  # fmt: skip

    return start


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 1", 0), ("exit 2", 0), ("exit 3", 3), ("exit 7", 7), ("kill -9 $$", 137)],
)
def test_the_job_fails_only_if_another_cluster_may_do_better(image, script, code):
    process = image(f'echo "$2"; {script}')
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code and output.startswith("it's $HOME.yaml\n")
    assert ("ended with exit code" in output) is (script in ("exit 1", "exit 2"))


def test_what_is_refused_is_tried_once_more(image, tmp_path):
    """A driver whose cluster was lost holds the run for a minute."""
    mark = tmp_path / "mark"
    process = image(f"[ -e '{mark}' ] && exit 0; touch '{mark}'; exit 2")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "tried once more" in output and "exit code" not in output


def test_a_stop_lets_the_command_end_by_itself(image, tmp_path):
    mark = tmp_path / "mark"
    process = image(
        f"trap 'sleep 0.2; exit 3' TERM; touch '{mark}'; while :; do sleep 0.05; done", shell=False
    )
    deadline = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 3
