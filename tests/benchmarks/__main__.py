"""The command `python -m tests.benchmarks [NAME [SIZE] ...]`: it runs the named benchmarks, or all of `BENCHMARKS`.

Some benchmarks take a size, a number; their modules say of what.
"""

import inspect
import os
import platform
import sys
from collections.abc import Callable

from tests.benchmarks import (
    classification,
    commits,
    crossover,
    data,
    distribution,
    driver,
    engines,
    grid,
    lanes,
    million,
    others,
    overhead,
    proofs,
    published,
    reading,
    scaling,
    startup,
    submission,
    throughput,
)

BENCHMARKS: dict[str, Callable[..., None]] = {
    "startup": startup.main,
    "overhead": overhead.main,
    "driver": driver.main,
    "throughput": throughput.main,
    "grid": grid.main,
    "engines": engines.main,
    "crossover": crossover.main,
    "lanes": lanes.main,
    "classification": classification.main,
    "others": others.main,
    "published": published.main,
    "proofs": proofs.main,
    "million": million.main,
    "data": data.main,
    "reading": reading.main,
    "commits": commits.main,
    "submission": submission.main,
    "distribution": distribution.main,
    "scaling": scaling.main,
}


def chosen(arguments: list[str]) -> list[tuple[str, list[int]]]:
    """Return the names of the benchmarks to run, each with its size if one is given.

    Raises:
        SystemExit: there is no such benchmark, or it takes no size.
    """
    found: list[tuple[str, list[int]]] = []
    for argument in arguments:
        if argument.isdecimal() and found and not found[-1][1]:
            name, size = found[-1]
            if not inspect.signature(BENCHMARKS[name]).parameters:
                sys.exit(f"The benchmark {name!r} takes no size, but got {argument}.")
            size.append(int(argument))
        elif argument in BENCHMARKS:
            found.append((argument, []))
        else:
            sys.exit(f"There is no benchmark {argument!r}. There are: {', '.join(BENCHMARKS)}.")
    return found or [(name, []) for name in BENCHMARKS]


def main() -> None:
    run = chosen(sys.argv[1:])
    print(f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, Python {platform.python_version()}")
    for name, size in run:
        print(f"\n== {name}", flush=True)
        BENCHMARKS[name](*size)


if __name__ == "__main__":
    main()
