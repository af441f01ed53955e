"""Benchmark of a grid of 10^6 points: the seconds until training begins, and the memory that the workers take.

The grid is the reference task's with 116 learning rates, 1,002,240 points, all of which are asked for. The builder is the
reference one; its file also notes when a worker trains its first epoch.
"""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

WATCHED_S = 60.0
"""Seconds of training in which the workers' memory is watched."""

BUILDER = """
import pathlib
from trainables.abalone import build_and_compile_model
from trainables.fused.training.cohort import Cohort

train = Cohort.train

def noted(self):
    (pathlib.Path(__file__).parent / "training").touch()
    return train(self)

Cohort.train = noted
"""


def main() -> None:
    from sweep import Plan

    axes = Plan.load().space.to_dict() | {"learning_rate": [1e-3 / (1 + place) for place in range(116)]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.py").write_text(BUILDER)
        plan = {"data": "abalone", "builder": "model.py:build_and_compile_model", "space": axes}
        (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
        command = [
            sys.executable,
            "-m",
            "sweep",
            "run",
            str(folder / "plan.yaml"),
            "--out",
            str(folder / "out"),
        ]
        began = time.perf_counter()
        sweep = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (folder / "training").exists() and sweep.poll() is None:
            time.sleep(0.05)
        print(
            f"10^6 points, from the command to the first epoch   {time.perf_counter() - began:.1f} s",
            flush=True,
        )
        peaks: dict[int, int] = {}
        until = time.perf_counter() + WATCHED_S
        while time.perf_counter() < until and sweep.poll() is None:
            for pid in _workers(sweep.pid):
                peaks[pid] = max(peaks.get(pid, 0), _peak_kb(pid))
            time.sleep(0.5)
        sweep.send_signal(signal.SIGINT)
        sweep.wait(120)
        print(
            f"a worker's peak in its first {WATCHED_S:.0f} s of training    {max(peaks.values()) / 1024:.0f} MiB"
        )


def _workers(pid: int) -> list[int]:
    """Return the processes below `pid` that train, which Ray names after what they do."""
    below = psutil.Process(pid).children(recursive=True)
    return [one.pid for one in below if one.is_running() and "ray::" in " ".join(one.cmdline())]


def _peak_kb(pid: int) -> int:
    """Return the most resident memory that a process has had."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


if __name__ == "__main__":
    main()
