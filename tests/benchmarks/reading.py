"""Benchmark of reading the exhaustive run of the default grid: the seconds of each command, and the folder's size.

`python -m tests.benchmarks reading` first trains the whole grid, which takes eight minutes on two cores, unless the folder
`runs/exhaustive` has it already (`make sweep OUT=runs/exhaustive ARGS="--scheduler none"`).
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

SWEEP = str(Path(sys.executable).with_name("sweep"))
TIMES = 5
OPEN = """
import time
started = time.perf_counter()
import results
run = results.open({folder!r})
points, curves = run.points, run.curves()
print(time.perf_counter() - started, len(points), len(curves))
"""


@contextmanager
def landscape() -> Iterator[Path]:
    """Yield a folder with every point of the default grid, trained without pruning."""
    kept = Path("runs/exhaustive")
    if (kept / "points").is_dir() and len(pd.read_parquet(kept / "points", columns=["idx"])) == 17280:
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [SWEEP, "run", "--scheduler", "none", "--out", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        yield Path(folder)


def median_s(command: list[str], times: int = TIMES) -> float:
    """Return the median wall seconds of a command, after one run that fills the disk cache."""
    found = []
    for _ in range(times + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - started)
    return statistics.median(found[1:])


def main() -> None:
    with landscape() as folder, tempfile.TemporaryDirectory() as scratch:
        code = [sys.executable, "-c", OPEN.format(folder=str(folder))]
        lines = [
            subprocess.run(code, check=True, capture_output=True, text=True).stdout.split()
            for _ in range(TIMES)
        ]
        seconds = statistics.median(float(line[0]) for line in lines)
        print(
            f"open, all points and all curves: {seconds:.2f} s ({lines[0][1]} points, {lines[0][2]} epochs)"
        )
        for words in (["status"], ["top"], ["top", "--pareto", "params"], ["importance"], ["curves"]):
            print(f"sweep {' '.join(words)}: {median_s([SWEEP, words[0], str(folder), *words[1:]]):.2f} s")
        report = Path(scratch) / "report.html"
        print(f"sweep report: {median_s([SWEEP, 'report', str(folder), str(report)]):.2f} s", end="")
        print(f", {report.stat().st_size / 1e6:.1f} MB")
        best = str(pd.read_parquet(folder / "points").set_index("idx")["loss_va"].idxmin())
        started = time.perf_counter()
        subprocess.run(
            [SWEEP, "export", str(folder), best, f"{scratch}/best.keras"], check=True, capture_output=True
        )
        print(f"sweep export: {time.perf_counter() - started:.1f} s")
        size = {part: sum(f.stat().st_size for f in (folder / part).glob("*.parquet")) / 1e6 for part in
                ("points", "curves", "weights")}  # fmt: skip
        each = ", ".join(f"{part} {megabytes / 17.28:.2f}" for part, megabytes in size.items())
        print(f"folder: {sum(size.values()):.1f} MB; MB for 1,000 points: {each}")


if __name__ == "__main__":
    main()
