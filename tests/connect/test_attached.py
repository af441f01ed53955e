"""Attached: a sweep drives a running cluster, with what it needs and no more, or says why it cannot."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from cluster.connect import attached
from sweep import run
from sweep.plan.order import Selection
from tests.help import clusters
from tests.help.commands import message
from tests.help.plans import write_plan
from tests.help.repository import ROOT
from tests.help.sweeps import read_json
from trainables.native.library import VARIABLE

pytestmark = [pytest.mark.timeout(1200), pytest.mark.heavy, pytest.mark.long(60)]

TOKEN = "token-that-nobody-may-see-" + "5" * 40
ENVIRONMENT = {"RAY_AUTH_TOKEN": TOKEN, "AWS_SECRET_ACCESS_KEY": "canary-of-a-secret"}


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one core each, which ask for a token."""
    with clusters.running(nodes=2, token=TOKEN) as found:
        yield found


def test_the_choice_of_a_kernel_reaches_the_workers(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert attached.passed_on() == {}
    monkeypatch.setenv(VARIABLE, "avx2")
    assert attached.passed_on() == {VARIABLE: "avx2"}


ON_A_NODE = """
import sys
import ray
from cluster.connect.attached import attached
from trainables.native import library

with attached(sys.argv[1], None):
    found = ray.get(ray.remote(lambda: (library.sentence(), str(library.BINARIES))).remote())
    print(*found, library.sentence(), sep="\\n")
"""


@pytest.mark.slow
def test_the_native_kernel_is_sent_to_the_nodes(cluster, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {**ENVIRONMENT, VARIABLE: "avx2"}  # which is not the default where there is a better one
    command = [sys.executable, "-c", ON_A_NODE, cluster.address]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    there, folder, here = ran.stdout.splitlines()[-3:]
    assert there == here and "working_dir_files" in folder


def everything_in(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "points"), [pytest.param("native", 12, marks=pytest.mark.ci), ("keras", 4)]
)
def test_a_sweep_on_two_nodes_has_the_numbers_of_one_machine_and_tells_no_secret(
    cluster, sweeps, engine, points
):
    (sweeps.folder / "neighbour.py").write_text("SEEN = 1\n")
    model = sweeps.folder / "model.py"
    model.write_text("import neighbour\n" + model.read_text())
    write_plan(sweeps.folder, engine=engine, resources={"custom": {}, "labels": {}})
    arguments = ["run", "plan.yaml", "--out", "out", "--points", str(points), "--address", cluster.address]
    code, output = sweeps.run(*arguments, **ENVIRONMENT)
    assert code == 0, output
    rows = sweeps.rows()
    assert (rows["status"] == "completed").all() and (rows["engine"] == engine).all()
    for secret in (TOKEN, ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]):
        assert secret.encode() not in everything_in(sweeps.out) and secret not in output
    alone = run(
        sweeps.folder / "plan.yaml", sweeps.folder / "alone", points=points, in_process=True, show=False
    )
    assert alone.tally.done == points
    numbers = ["idx", "epochs", "best_epoch", "loss_tr", "loss_va", "loss_te", "mae_te"]
    here = pd.read_parquet(sweeps.folder / "alone" / "points")
    found = [part[numbers].sort_values("idx", ignore_index=True) for part in (rows, here)]
    pd.testing.assert_frame_equal(*found, rtol=1e-5)


@pytest.mark.ci
def test_cpus_caps_the_use_and_ctrl_c_stops_it_and_the_same_command_resumes(cluster, numpy_sweeps):
    sweeps = numpy_sweeps
    write_plan(sweeps.folder, engine="keras", fit={"epochs": 2})
    sweeps.hold.write_text(str(next(iter(Selection(12, 0)))))
    capped = ["run", "plan.yaml", "--address", cluster.address, "--cpus", "1"]  # of two
    arguments = [*capped, "--out", "out", "--points", "5"]
    process = sweeps.start(*arguments, **ENVIRONMENT)
    sweeps.wait_for(lambda: len(sweeps.rows()) == 1, process)

    def running():
        return read_json(sweeps.out / "progress.json")["running"]

    sweeps.wait_for(running, process)  # the second point, which is held
    # The other core stays free: a sweep that comes later gets it.
    other = sweeps.start(*capped, "--out", "other", "--points", "1", **ENVIRONMENT)

    def other_has_ended():
        assert running() <= 1
        return other.poll() is not None

    sweeps.wait_for(other_has_ended, process)
    assert other.returncode == 0, other.communicate()[0]
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output
    assert "Resume:" in output and f"--address {cluster.address}" in output and "Traceback" not in output
    kept = sweeps.rows()
    assert len(kept) == 1
    sweeps.hold.unlink()
    code, output = sweeps.run(*arguments, **ENVIRONMENT)
    assert code == 0, output
    assert len(sweeps.rows()) == 5 and sweeps.rows()["idx"].is_unique
    assert set(kept["idx"]) <= set(sweeps.rows()["idx"])


@pytest.fixture
def other_versions(tmp_path):
    """The environment of a node that has other versions of two packages, for who asks for their metadata."""
    for name in ("pyarrow-1.0", "keras-2.0"):
        (tmp_path / "other" / f"{name}.dist-info").mkdir(parents=True)
        package, version = name.split("-")
        text = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        (tmp_path / "other" / f"{name}.dist-info" / "METADATA").write_text(text)
    return {"PYTHONPATH": str(tmp_path / "other")}


def has_table_of_versions(output):
    table = [line.split() for line in output.splitlines()]
    return ["keras", "pyarrow"] in table and any(line[-2:] == ["2.0", "1.0"] for line in table)


@pytest.mark.slow
def test_a_node_with_other_versions_that_joins_later_trains_nothing_and_stops_the_sweep(
    cluster, numpy_sweeps, other_versions
):
    sweeps = numpy_sweeps
    write_plan(sweeps.folder, engine="keras")
    sweeps.hold.write_text(str(next(iter(Selection(12, 0)))))
    arguments = ["run", "plan.yaml", "--out", "out", "--address", cluster.address]
    process = sweeps.start(*arguments, **ENVIRONMENT)
    sweeps.wait_for(lambda: len(sweeps.rows()) >= 1, process)
    node = cluster.add(1, **other_versions)
    try:
        output, _ = process.communicate(timeout=300)
    finally:
        node.kill()
    assert process.returncode == 3 and has_table_of_versions(output), output
    assert "Resume:" in output and "Traceback" not in output
    assert len({trial["labels"]["ray.io/node-id"] for trial in sweeps.begun()}) <= 2  # the sound ones
    kept = sweeps.rows()
    assert len(kept) == 1
    sweeps.hold.unlink()
    code, output = sweeps.run(*arguments, **ENVIRONMENT)
    assert code == 0, output
    rows = sweeps.rows()
    assert len(rows) == 12 and rows["idx"].is_unique
    pd.testing.assert_frame_equal(rows.set_index("idx").loc[kept["idx"]].reset_index(), kept)


@pytest.mark.ci
def test_nodes_with_other_versions_are_refused_with_a_table(cluster, sweeps, other_versions):
    node = cluster.add(1, **other_versions)
    try:
        write_plan(sweeps.folder)
        code, output = sweeps.run(
            "run", "plan.yaml", "--out", "out", "--address", cluster.address, **ENVIRONMENT
        )
    finally:
        node.kill()
    assert code == 2 and "Traceback" not in output, output
    assert has_table_of_versions(output), output
    assert not len(sweeps.rows())


@pytest.mark.ci
def test_a_resource_that_no_node_has_is_waited_for_and_got_when_one_joins(cluster, numpy_sweeps):
    sweeps = numpy_sweeps
    resources = {"custom": {"big_disk": 1}, "labels": {"zone": "north"}}
    write_plan(sweeps.folder, resources=resources, fit={"epochs": 2})
    process = sweeps.start(
        "run", "plan.yaml", "--out", "out", "--points", "2", "--address", cluster.address, **ENVIRONMENT
    )
    sweeps.wait_for(lambda: (sweeps.out / "progress.json").exists(), process)

    sweeps.wait_for(lambda: "waiting for a node" in read_json(sweeps.out / "progress.json")["stage"], process)
    wrong = cluster.add(1, '--resources={"big_disk": 1}', "--labels=zone=south")
    node = cluster.add(1, '--resources={"big_disk": 1}', "--labels=zone=north")
    try:
        output, _ = process.communicate(timeout=180)
        assert process.returncode == 0, output
        assert "waiting for a node that has" in output and len(sweeps.rows()) == 2
        assert {trial["labels"].get("zone") for trial in sweeps.begun()} == {"north"}
    finally:
        wrong.kill()
        node.kill()


@pytest.mark.parametrize(
    ("address", "environment", "words"),
    [
        ("127.0.0.1:1", {}, "No Ray cluster answers at 127.0.0.1:1"),
        ("somewhere", {}, "needs auto or the HOST:PORT"),
        (None, {"RAY_AUTH_TOKEN": "wrong"}, "does not take the token"),
        (None, {"RAY_AUTH_TOKEN": "", "HOME": "/nowhere"}, "asks for a token, and this user has none"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_one_message_in_two_seconds(
    cluster, workplace, monkeypatch, address, environment, words
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    plan = write_plan(workplace)
    began = time.monotonic()
    said = message("run", plan, "--out", workplace / "out", "--address", address or cluster.address)
    assert time.monotonic() - began < 60  # two on an idle machine
    assert words in said and len(said.splitlines()) == 1 and not (workplace / "out").exists()


def test_a_refused_token_is_all_that_the_command_prints(cluster, sweeps):
    """The libraries that asked the cluster add no words of their own."""
    write_plan(sweeps.folder)
    arguments = ("run", "plan.yaml", "--out", "out", "--address", cluster.address)
    code, output = sweeps.run(*arguments, RAY_AUTH_TOKEN="wrong")
    assert code == 2 and len(output.splitlines()) == 1 and "does not take the token" in output
