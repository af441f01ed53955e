"""The command `python -m tests.benchmarks [NAME ...]`: it runs the named benchmarks, or all of `BENCHMARKS`."""

import os
import platform
import sys

from tests.benchmarks import (
    commits,
    data,
    distribution,
    driver,
    grid,
    million,
    overhead,
    reading,
    scaling,
    startup,
    submission,
    throughput,
)

BENCHMARKS = {
    "startup": startup.main,
    "overhead": overhead.main,
    "driver": driver.main,
    "throughput": throughput.main,
    "grid": grid.main,
    "million": million.main,
    "data": data.main,
    "reading": reading.main,
    "commits": commits.main,
    "submission": submission.main,
    "distribution": distribution.main,
    "scaling": scaling.main,
}


def main() -> None:
    chosen = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(chosen) - set(BENCHMARKS):
        sys.exit(f"There is no benchmark {unknown.pop()!r}. There are: {', '.join(BENCHMARKS)}.")
    print(f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, Python {platform.python_version()}")
    for name in chosen:
        print(f"\n== {name}", flush=True)
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
