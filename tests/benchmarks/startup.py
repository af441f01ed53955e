"""Benchmark of start-up: the seconds until the help, an error message, a large space and the first row."""

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from results.folder.run_folder import RunFolder
from sweep.process.tally import read_progress

SWEEP = [str(Path(sys.executable).with_name("sweep"))]
LARGE_SPACE = """
import itertools, psutil, time
before, started = psutil.Process().memory_info().rss, time.perf_counter()
from sweep.plan.order import Selection
from results.space import Space
space = Space({f"axis_{n}": list(range(10)) for n in range(7)})
assert len(space) == 10**7
first = [space[idx] for idx in itertools.islice(Selection(len(space), 0), 100)]
seconds = time.perf_counter() - started
print(seconds, (psutil.Process().memory_info().rss - before) / 2**20)
"""


def seconds_of(command: list[str], runs: int = 7, **options) -> float:
    """Return the median wall seconds of the command, from its start to its end."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run(command, capture_output=True, **options)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def first_row_s(folder: Path) -> float:
    """Return the seconds from the command to the first committed row of the default plan."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [*SWEEP, "run", "--out", str(folder), "--points", "8"], stdout=subprocess.DEVNULL
    )
    part = folder / "points" / "part-00000.parquet"
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            if pq.read_metadata(part).num_rows:
                break
        time.sleep(0.05)
    taken = time.perf_counter() - started
    process.kill()
    process.wait()
    return taken


def training_again_s(folder: Path) -> float:
    """Return the seconds from a running Ray to a point in training, in a folder whose driver was killed."""
    (folder / "progress.json").unlink(missing_ok=True)
    process = subprocess.Popen(
        [*SWEEP, "run", "--out", str(folder), "--points", "8"], stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if "training" in line:
            break
    ray_up = time.perf_counter()
    while not read_progress(RunFolder(folder)).get("running"):  # written every two seconds
        time.sleep(0.05)
    taken = time.perf_counter() - ray_up
    process.kill()
    process.wait()
    return taken


def main() -> None:
    print(f"sweep --help                        {seconds_of([*SWEEP, '--help']):.2f} s (median of 7)")
    with tempfile.TemporaryDirectory() as scratch:
        bad = Path(scratch) / "plan.yaml"
        bad.write_text(
            "data: abalone\nbuilder: trainables.abalone:build_and_compile_model\nspace: {hiden: [1]}\n"
        )
        error_s = seconds_of([*SWEEP, "run", str(bad)], cwd=scratch)
        print(f"a misspelt axis, to the message     {error_s:.2f} s (median of 7)")
        output = subprocess.check_output([sys.executable, "-c", LARGE_SPACE], text=True).split()
        print(f"a space of 10^7 points, 100 drawn   {float(output[0]):.3f} s, {float(output[1]):.1f} MiB")
        runs = [first_row_s(Path(scratch) / f"run {number}") for number in range(3)]
        print(f"start to the first committed row    {statistics.median(runs):.1f} s (median of 3)")
        runs = [training_again_s(Path(scratch) / f"run {number}") for number in range(3)]
        print(f"Ray up to training, after a kill -9 {statistics.median(runs):.1f} s (median of 3)")
