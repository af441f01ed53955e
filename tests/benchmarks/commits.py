"""Benchmark of commits: commits and points a second, into a local folder and into an S3 on the loopback address.

The S3 is moto's, in a process of its own. It answers in milliseconds, most of them in its own Python. A real S3 takes about
20 to 50 ms for each of a commit's three PUTs.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy as np
import pyarrow as pa

from results.space import Space
from results.store.store import Finished
from trainables.engine import curves_of, weights_of

COMMITS = 40
SIZES = (1, 64, 512)
"""Points in a commit."""
EPOCHS, WEIGHT_BYTES = 100, 600

SERVER = """
import time
from moto.server import ThreadedMotoServer
import logging
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
time.sleep(1e6)
"""


def points(first: int, count: int) -> Finished:
    """Return finished points as an engine reports them."""
    chance, idx = np.random.default_rng(first), np.arange(first, first + count)
    row = {
        "idx": idx,
        "status": ["completed"] * count,
        "epochs": np.full(count, EPOCHS, "int32"),
        "best_epoch": np.ones(count, "int32"),
        "seed": np.zeros(count, int),
        "engine": ["keras"] * count,
    }
    row |= {f"{name}_{part}": chance.random(count) for name in ("loss", "MAE") for part in ("tr", "va", "te")}
    names = ("loss", "MAE", "val_loss", "val_MAE", "learning_rate")
    logs = {name: chance.random(count * EPOCHS).astype("float32") for name in names}
    weights = np.frombuffer(chance.bytes(count * WEIGHT_BYTES), "uint8").reshape(count, -1)
    return Finished(pa.record_batch(row), curves_of(idx, row["epochs"], logs), weights_of(idx, weights, "[]"))


def measure(name: str, out: str) -> None:
    from results.folder.run_folder import RunFolder
    from results.store.store import Store

    for size in SIZES:
        folder = RunFolder(f"{out}-{size}")
        folder.create()
        store = Store(folder, Space({"units": range(COMMITS * size)}))
        batches = [points(position * size, size) for position in range(COMMITS)]
        seconds = []
        began = time.perf_counter()
        for batch in batches:
            started = time.perf_counter()
            store.commit([batch])
            seconds.append(time.perf_counter() - started)
        taken = time.perf_counter() - began
        print(
            f"{name:6s} {size:4d} points a commit: {COMMITS / taken:6.1f} commits/s, "
            f"{COMMITS * size / taken:8.0f} points/s; a commit {statistics.median(seconds) * 1e3:.0f} ms, "
            f"at most {max(seconds) * 1e3:.0f} ms",
            flush=True,
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        measure("local", f"{folder}/run")
        server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout
            url = server.stdout.readline().strip()
            os.environ |= {
                "AWS_ENDPOINT_URL": url,
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "AWS_REGION": "us-east-1",
                "XDG_STATE_HOME": folder,
            }
            urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT")).close()
            measure("S3", "s3://bucket/run")
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
