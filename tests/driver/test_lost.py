"""How a process ends whose Ray is lost; real sweeps whose Ray is killed are in `test_runner`."""

import os
import subprocess
import sys

import pytest

CODE = """
import signal, sys
from pathlib import Path
from results.folder.run_folder import RunFolder
from sweep.driver.lost import end_without_ray
from sweep.process.signals import Stopper
from sweep.process.tally import Tally
from sweep.process.view import View

show, resume, stops = sys.argv[2:]
view = View(Tally(asked=3), RunFolder(Path(sys.argv[1])), sys.stdout if show else None)
with Stopper() as stopper, stopper.deferred():
    if stops:
        signal.raise_signal(signal.SIGTERM)
    end_without_ray(view, stopper, resume or None, "raylet was killed by signal 9")
print("left to the stop")
"""


def ended(tmp_path, show="", resume="", stops=""):
    command = [sys.executable, "-c", CODE, str(tmp_path), show, resume, stops]
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},  # noqa: PTH109
    )
    return ran.returncode, ran.stdout, ran.stderr


def test_it_is_said_where_the_sweep_is_shown_and_in_the_log(tmp_path):
    code, shown, log = ended(tmp_path, show="yes", resume="sweep run a.yaml")
    assert code == 3 and shown == log
    assert "Error: Ray's process on this machine ended (raylet was killed by signal 9, perhaps" in shown
    assert "What was finished is kept." in shown and shown.endswith("Resume:  sweep run a.yaml\n")


def test_a_script_that_shows_nothing_has_it_in_the_log(tmp_path):
    code, shown, log = ended(tmp_path)
    assert (code, shown) == (3, "") and "Resume:  run the same plan into the same folder again" in log


@pytest.mark.parametrize("show", ["", "yes"])
def test_a_stop_that_was_asked_for_goes_on(tmp_path, show):
    assert ended(tmp_path, show=show, stops="yes") == (0, "left to the stop\n", "")
