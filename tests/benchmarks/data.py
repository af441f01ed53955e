"""How long a table of 10^6 rows and 50 columns takes to be prepared, and how much memory.

The columns are 30 fractional numbers, 10 whole numbers, 9 texts of 8 categories and a target of texts. A fifth of the
columns has gaps in 5% of the rows. The process that prepares the table does nothing else.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

ROWS = 1_000_000

PREPARE = """
import resource
import sys
import time

from trainables.table.data import DataSpec, load

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

before, began, used = peak(), time.perf_counter(), time.process_time()
table = load(DataSpec(sys.argv[1], "y", missing="fill"))
print(time.perf_counter() - began, time.process_time() - used, peak() - before, table.x_train.nbytes / 2**20)
"""


def main() -> None:
    chance = np.random.default_rng(0)
    frame = pd.DataFrame({f"n{n}": chance.normal(size=ROWS).round(4) for n in range(30)})
    for n in range(10):
        frame[f"i{n}"] = chance.integers(0, 1000, ROWS)
    for n in range(9):
        frame[f"c{n}"] = np.array(list("abcdefgh"))[chance.integers(0, 8, ROWS)]
    for name in list(frame)[::5]:
        frame.loc[chance.random(ROWS) < 0.05, name] = None
    frame["y"] = np.where(chance.random(ROWS) < 0.2, "yes", "no")
    size = frame.memory_usage(deep=False).sum() / 2**20
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        pyarrow.csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), path)
        del frame
        print(
            f"a file of {path.stat().st_size / 2**20:,.0f} MiB, a data frame of {size:,.0f} MiB", flush=True
        )
        for _ in range(3):
            ran = subprocess.run(
                [sys.executable, "-c", PREPARE, str(path)], capture_output=True, text=True, check=True
            )
            wall, core, memory, features = map(float, ran.stdout.split())
            print(
                f"prepared in {wall:.1f} s ({core:.1f} core s), at most {memory:,.0f} MiB, {memory / size:.1f} times the "
                f"data frame; the train rows' features are {features:,.0f} MiB",
                flush=True,
            )
