"""Faults of a cluster, each really done: whatever dies, hangs or is cut off, no point is lost and none is doubled."""

import json
import signal
import time

import numpy as np
import pandas as pd
import psutil
import pytest

from tests.help import clusters
from tests.help.networks import Network
from tests.help.plans import write_plan

EPOCHS = 60
SPACE = {"units": [2, 3, 4, 5], "rate": [0.01, 0.02, 0.03], "batch_size": [16, 32]}
POINTS = 24


def write(sweeps, engine="auto", **changes):
    write_plan(sweeps.folder, space=SPACE, fit={"epochs": EPOCHS}, engine=engine, **changes)


def check_whole(sweeps, kept=None):
    """Every point has one row, every row its curve, and what was committed once is as it was."""
    rows = sweeps.rows()
    assert sorted(rows["idx"]) == list(range(POINTS))
    assert (rows["status"] == "completed").all(), rows[["idx", "status", "error"]]
    curves = pd.read_parquet(sweeps.out / "curves")
    assert (curves.groupby("idx").size() == EPOCHS).all() and not curves.duplicated(["idx", "epoch"]).any()
    if kept is not None:
        pd.testing.assert_frame_equal(rows.set_index("idx").loc[kept["idx"]].reset_index(), kept)


def lose_nodes(sweeps, kills, engine, seed):
    """Kill nodes at random moments while others join, and let the sweep end on what is left."""
    chance = np.random.default_rng(seed)
    write(sweeps, engine)
    with clusters.running(nodes=2) as cluster:
        process = sweeps.start("run", "plan.yaml", "--out", "out", "--address", cluster.address, "--insecure")
        sweeps.wait_for(lambda: (sweeps.out / "progress.json").exists(), process)
        kept = None
        for _ in range(kills):
            time.sleep(chance.uniform(0, 15))
            if process.poll() is not None:
                break
            cluster.nodes.pop(int(chance.integers(len(cluster.nodes)))).kill()
            kept = sweeps.rows() if len(sweeps.rows()) else None
            cluster.add()
        output, _ = process.communicate(timeout=420)
        assert process.returncode == 0, output
    check_whole(sweeps, kept)


@pytest.mark.slow
def test_a_lost_node_loses_nothing(sweeps):
    lose_nodes(sweeps, kills=1, engine="auto", seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["native", "keras"])
def test_ten_lost_nodes_lose_and_double_nothing(sweeps, engine):
    lose_nodes(sweeps, kills=10, engine=engine, seed=None)


@pytest.fixture
def network():
    try:
        with Network(2) as made:
            yield made
    except PermissionError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [60, None], ids=["a minute", "for good"])
def test_a_node_that_is_cut_off_changes_nothing(sweeps, network, tmp_path_factory, seconds):
    write(sweeps, "keras")
    with clusters.on_network(network, tmp_path_factory.mktemp("n")) as address:
        # The driver has to be in the head's namespace.
        sweeps.wrapper = network.inside(network.head)
        process = sweeps.start("run", "plan.yaml", "--out", "out", "--address", address, "--insecure")
        sweeps.wait_for(lambda: len(sweeps.rows()) >= 2, process, 180)
        network.cut(1)
        kept = sweeps.rows()
        if seconds:
            time.sleep(seconds)
            network.cut(1, off=False)
        output, _ = process.communicate(timeout=420)
        assert process.returncode == 0, output
    check_whole(sweeps, kept)


@pytest.mark.slow
def test_a_lost_head_ends_the_driver_and_a_new_cluster_resumes(sweeps):
    write(sweeps, "keras")
    with clusters.running(nodes=2) as cluster:
        process = sweeps.start("run", "plan.yaml", "--out", "out", "--address", cluster.address, "--insecure")
        sweeps.wait_for(lambda: len(sweeps.rows()) >= 2, process, 180)
        kept = sweeps.rows()
        cluster.head.kill()
        began = time.monotonic()
        output, _ = process.communicate(timeout=120)
        assert time.monotonic() - began < 90
        assert process.returncode == 3, output
        resume = f"run plan.yaml --out out --address {cluster.address} --insecure"
        assert f"Resume:  sweep {resume}" in output and "Traceback" not in output, output
    rows = sweeps.rows()
    assert len(rows) < POINTS and rows["idx"].is_unique and set(kept["idx"]) <= set(rows["idx"])
    with clusters.running(nodes=2) as cluster:
        code, output = sweeps.run(
            "run", "plan.yaml", "--out", "out", "--address", cluster.address, "--insecure"
        )
        assert code == 0, output
    check_whole(sweeps, rows)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["native", "keras"])
def test_failing_rpcs_double_nothing(sweeps, engine):
    # Ray's own fault injection: of each kind of call 5% fail on the way there, and 5% on the way back.
    faults = json.dumps({"*": {"num_failures": -1, "req_failure_prob": 5, "resp_failure_prob": 5}})
    write(sweeps, engine)
    with clusters.running(nodes=2, RAY_testing_rpc_failure=faults) as cluster:
        arguments = ["run", "plan.yaml", "--out", "out", "--address", cluster.address, "--insecure"]
        code, output = sweeps.run(*arguments, timeout_s=900, RAY_testing_rpc_failure=faults)
        assert code == 0, output
    check_whole(sweeps)


@pytest.mark.slow
def test_a_driver_s_machine_that_sleeps_for_a_minute_goes_on(sweeps):
    write(sweeps, "keras")
    with clusters.running(nodes=2) as cluster:
        process = sweeps.start("run", "plan.yaml", "--out", "out", "--address", cluster.address, "--insecure")
        sweeps.wait_for(lambda: len(sweeps.rows()) >= 2, process, 180)
        kept = sweeps.rows()
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        cluster.head.signal(signal.SIGSTOP)
        for member in family:
            member.send_signal(signal.SIGSTOP)
        time.sleep(60)
        cluster.head.signal(signal.SIGCONT)
        for member in family:
            member.send_signal(signal.SIGCONT)
        output, _ = process.communicate(timeout=420)
        assert process.returncode == 0, output
    check_whole(sweeps, kept)
