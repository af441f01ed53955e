"""Benchmark of the whole default grid: wall time and its parts, memory, and share of the peak FLOP/s.

`python -m tests.benchmarks grid` runs it with ASHA and twice exhaustively by the native engine, and once exhaustively by XLA
on a cold compile cache. This takes about fifteen minutes on two cores.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil

from sweep.process.hardware import gemm_peak

SWEEP = str(Path(sys.executable).with_name("sweep"))
ROWS = {"fitted": 2673, "validation": 669, "train": 3342, "test": 835}


def flop(points: pd.DataFrame) -> float:
    """Return the FLOP of the matrix products in training and evaluating these points.

    Each weight and row takes 2 FLOP forward and 4 backward.
    """
    widths = points["hidden"].map(json.loads)
    weights = widths.map(lambda hidden: sum(a * b for a, b in zip([10, *hidden], [*hidden, 1], strict=True)))
    an_epoch = 6 * ROWS["fitted"] + 2 * ROWS["validation"]
    return float((weights * (points["epochs"] * an_epoch + 2 * (ROWS["train"] + ROWS["test"]))).sum())


def watched(arguments: list[str], cache: str) -> dict:
    """Run the command; return its wall seconds, and the peak memory and descriptors of its processes."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [SWEEP, *arguments], stdout=subprocess.DEVNULL, env={**os.environ, "XDG_CACHE_HOME": cache}
    )
    driver, workers, descriptors, driver_start = 0.0, 0.0, 0, 0.0
    family: dict[int, psutil.Process] = {}
    while process.poll() is None:
        try:
            here = psutil.Process(process.pid)
            driver = max(driver, here.memory_info().rss / 2**20)
            if not driver_start and time.perf_counter() - started > 15:
                driver_start = here.memory_info().rss / 2**20
            descriptors = max(descriptors, here.num_fds())
            for child in here.children(recursive=True):
                family[child.pid] = child
                if "ray::" in " ".join(child.cmdline()):
                    workers = max(workers, child.memory_info().rss / 2**20)
        except psutil.Error:
            pass
        time.sleep(0.5)
    wall_s = time.perf_counter() - started
    _, left = psutil.wait_procs(list(family.values()), timeout=60)
    return {
        "wall_s": wall_s,
        "code": process.returncode,
        "worker_mb": workers,
        "driver_mb": (driver_start, driver),
        "descriptors": descriptors,
        "left": len(left),
    }


def compare(pruned: pd.DataFrame, whole: pd.DataFrame, again: pd.DataFrame, by_xla: pd.DataFrame) -> None:
    """Print what ASHA lost against the exhaustive run, and whether a point has the same results in all runs."""
    winner, epochs = pruned["loss_va"].idxmin(), pruned["epochs"].sum() / whole["epochs"].sum()
    better = (whole["loss_va"] < pruned["loss_va"].min()).sum()
    print(
        f"\nASHA, {epochs:.0%} of the epochs: its best loss_va {pruned['loss_va'].min():.3f} (idx {winner}, loss_te "
        f"{pruned.loc[winner, 'loss_te']:.3f}); exhaustive {whole['loss_va'].min():.3f} (idx {whole['loss_va'].idxmin()}, "
        f"loss_te {whole.loc[whole['loss_va'].idxmin(), 'loss_te']:.3f}); {better} points of it are better"
    )
    for label, other in (
        ("twice exhaustively", again),
        ("with ASHA and without", pruned[pruned["status"] != "pruned"]),
        ("by XLA and natively", by_xla),
    ):
        difference = (other["loss_va"] / whole.loc[other.index, "loss_va"] - 1).abs()
        print(
            f"{len(other)} points trained {label}: loss_va equal to the last bit in {(difference == 0).mean():.1%}, "
            f"within 1e-3 in {(difference < 1e-3).mean():.1%}, largest difference {difference.max():.1e}"
        )


def main() -> None:
    peak = gemm_peak()
    assert peak
    print(f"peak of one core, float32 product: {peak / 1e9:.0f} GFLOP/s")
    runs: dict[str, pd.DataFrame] = {}
    with tempfile.TemporaryDirectory() as cache:
        for label, options in (
            ("ASHA, native", ["--engine", "native"]),
            ("exhaustive, native", ["--engine", "native", "--scheduler", "none"]),
            ("exhaustive, native again", ["--engine", "native", "--scheduler", "none"]),
            ("exhaustive, XLA", ["--engine", "fused", "--scheduler", "none"]),
        ):
            with tempfile.TemporaryDirectory() as out:
                found = watched(["run", "--out", out, *options], cache)
                points = pd.read_parquet(Path(out) / "points")
                spent = json.loads((Path(out) / "progress.json").read_text())["spent_s"]
                megabytes = sum(f.stat().st_size for f in Path(out).rglob("*.parquet")) / 2**20
            cores = len(os.sched_getaffinity(0))
            total, work = found["wall_s"] * cores, flop(points)
            assert found["code"] == 0 and len(points) == 17280 and points["idx"].is_unique
            print(
                f"\n{label}: {found['wall_s']:.0f} s, {len(points) / found['wall_s'] * 60:.0f} points a minute"
            )
            print(f"  {points['status'].value_counts().to_dict()}, {points['epochs'].sum():,} epochs")
            rest = total - sum(spent.values())
            shares = ", ".join(f"{what} {s:.0f} s ({s / total:.0%})" for what, s in spent.items())
            print(f"  core seconds: {shares}, start-up and the rest {rest:.0f} s ({rest / total:.0%})")
            print(
                f"  {work / 1e12:.2f} TFLOP, {work / peak:.0f} core seconds at the peak: {work / peak / total:.1%}"
            )
            print(
                f"  training alone: {spent['train'] / points['epochs'].sum() * 1e6:.0f} us a point and epoch"
            )
            before, after = found["driver_mb"]
            print(
                f"  a worker at most {found['worker_mb']:.0f} MiB; driver {before:.0f} -> {after:.0f} MiB, "
                f"{(after - before) * 1048.576 / len(points):.1f} kB a point; {found['descriptors']} descriptors; "
                f"{found['left']} processes left; {megabytes:.1f} MiB of Parquet"
            )
            runs[label] = points.set_index("idx")
            sys.stdout.flush()
    compare(*runs.values())


if __name__ == "__main__":
    main()
