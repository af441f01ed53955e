"""Points move from worker to worker in a sweep: Ray, its workers, the kills and the files are real.

The training is made up, but for one sweep. While the file `hold` is there, points wait after their first epoch, where they
can be given away. So tests wait until the trials that they need have begun.
"""

import json
import os
import signal
import sys
import time

import numpy as np
import pandas as pd
import pytest

from tests.help import clusters
from tests.help.networks import Network
from tests.help.plans import write_plan
from tests.help.repository import ROOT

pytestmark = [pytest.mark.timeout(600), pytest.mark.heavy, pytest.mark.long(60)]

POINTS = 64
SPACE = {"units": list(range(1, 9)), "rate": [0.001 * number for number in range(1, 9)]}
GIVES = {"SWEEP_TEST_SAVES_S": "9"}


def begun(sweeps):
    """The trials that have begun; the last line may be half written."""
    if not sweeps.record.exists():
        return []
    return [json.loads(line) for line in sweeps.record.read_text().split("\n")[:-1]]


def started(sweeps, *arguments, **environment):
    sweeps.hold.touch()
    command = ("run", "plan.yaml", "--out", "out", *arguments)
    return sweeps.start(*command, **GIVES, **environment)


def ended(sweeps, process):
    sweeps.hold.unlink()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    rows = sweeps.rows().set_index("idx").sort_index()
    assert rows.index.tolist() == list(range(POINTS))
    assert rows["loss_va"].tolist() == pytest.approx([level(idx) + 1 / 4 for idx in range(POINTS)])
    assert pd.read_parquet(sweeps.out / "curves").groupby("idx").size().tolist() == [4] * POINTS


def level(idx):
    return idx * 2654435761 % 2**32 / 2**32


@pytest.mark.ci
def test_idle_workers_get_points_of_the_longest_cohort(numpy_sweeps):
    write_plan(numpy_sweeps.folder, space=SPACE, fit={"epochs": 4}, resources={"cpu": 1})
    process = started(numpy_sweeps, "--cpus", "3")
    numpy_sweeps.wait_for(lambda: len(begun(numpy_sweeps)) == 3, process)
    trials = begun(numpy_sweeps)
    assert [len(trial["points"]) for trial in trials][:2] == [64, 32]
    assert [trial["epoch"] for trial in trials] == [0, 1, 1]  # where they were
    assert len({trial["process"] for trial in trials}) == 3
    assert len(set().union(*(trial["points"] for trial in trials[1:]))) < POINTS
    ended(numpy_sweeps, process)


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1], ids=["giver", "receiver"])
def test_a_killed_worker_has_no_points_that_are_another_s(numpy_sweeps, number):
    write_plan(numpy_sweeps.folder, space=SPACE, fit={"epochs": 4}, resources={"cpu": 1})
    process = started(numpy_sweeps, "--cpus", "2")
    numpy_sweeps.wait_for(lambda: len(begun(numpy_sweeps)) == 2, process)
    whole, given = begun(numpy_sweeps)
    kept = sorted(set(whole["points"]) - set(given["points"]))
    os.kill((whole, given)[number]["process"], signal.SIGKILL)
    numpy_sweeps.wait_for(lambda: len(begun(numpy_sweeps)) >= 3, process)
    again = begun(numpy_sweeps)[2]
    # The receiver's points are found in the checkpoint again; the giver has kept none of its own here.
    assert (sorted(again["points"]), again["epoch"]) == ((kept, 0), (sorted(given["points"]), 1))[number]
    ended(numpy_sweeps, process)


@pytest.mark.slow
def test_a_killed_driver_trains_each_point_once(numpy_sweeps):
    write_plan(numpy_sweeps.folder, space=SPACE, fit={"epochs": 4}, resources={"cpu": 1})
    process = started(numpy_sweeps, "--cpus", "2")
    numpy_sweeps.wait_for(lambda: len(begun(numpy_sweeps)) == 2, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process = started(numpy_sweeps, "--cpus", "2")
    numpy_sweeps.wait_for(lambda: len(begun(numpy_sweeps)) == 4, process)
    assert np.sort(begun(numpy_sweeps)[2]["points"]).tolist() == list(range(POINTS))
    ended(numpy_sweeps, process)


@pytest.mark.slow
def test_moved_points_report_to_asha_s_rungs_as_before(numpy_sweeps):
    write_plan(
        numpy_sweeps.folder,
        space=SPACE,
        fit={"epochs": 8},
        resources={"cpu": 1},
        scheduler="asha",
        asha={"grace_period": 2, "reduction_factor": 2},
    )
    process = started(numpy_sweeps, "--cpus", "2")
    numpy_sweeps.wait_for(lambda: len(begun(numpy_sweeps)) == 2, process)
    numpy_sweeps.hold.unlink()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    rows = numpy_sweeps.rows().set_index("idx").sort_index()
    assert rows.index.tolist() == list(range(POINTS))
    entered = pd.read_parquet(numpy_sweeps.out / "rungs")
    assert not entered.duplicated(["milestone", "idx"]).any()
    assert set(entered[entered["milestone"] == 2]["idx"]) == set(range(POINTS))
    assert set(entered[~entered["passed"]]["idx"]) == set(rows.index[rows["status"] == "pruned"])


REALLY = """
import sys
import time
from pathlib import Path

sys.path.append({root!r})

from sweep import Plan, run
from trainables.engine import Report
from trainables.fused.engine import ProgramEngine
from trainables.trials.trial import Trial


class Waiting(ProgramEngine):
    # While the file `hold` is there, points wait after their third epoch, and may be given away. The first epoch that each
    # trial has trained is recorded.
    def begin(self, points, known=None, most=None):
        super().begin(points, known, most)
        self._first = True

    def _waits(self):
        return self._cohort is not None and self._cohort.epoch >= 3 and Path({hold!r}).exists()

    def _saves_s(self):
        points = int(self._cohort.alive.sum()) if self._waits() else 0
        return points / 4 if points > 16 else 0.0

    def step(self):
        if self._waits() and not self._asked:
            time.sleep(0.05)
            return Report(open=int(self._cohort.alive.sum()), saves_s=self._saves_s())
        report = super().step()
        if self._first and self._cohort is not None:
            self._first = False
            with Path({record!r}).open("a") as file:
                file.write(f"{{len(self._points)}} {{self._cohort.epoch}}\\n")
        return report


class Moving(Trial):
    def make_engine(self, name):
        return Waiting(self.work) if name == "fused" else super().make_engine(name)

    def prepare(self):
        super().prepare()
        from trainables.fused import engine

        engine.STEP_S = 0.0  # a step an epoch


where, options = sys.argv[1], dict(show=False, verify=False)
if where == "alone":
    outcome = run(Plan.load("plan.yaml"), "alone", cpus=1, **options)
elif where == "here":
    outcome = run(Plan.load("plan.yaml"), "out", cpus=2, trainable=Moving, **options)
else:
    outcome = run(Plan.load("plan.yaml"), "out", address=where, insecure=True, trainable=Moving, **options)
sys.exit(outcome.exit_code)
"""


class Real:
    """A sweep that really trains, by the native kernel, and is told where points wait to be given away."""

    def __init__(self, sweeps, units, rates):
        self.sweeps = sweeps
        space = {"units": units, "rate": [0.0005 * number for number in range(1, rates + 1)]}
        fit = {"epochs": 12, "batch_size": 32}
        write_plan(
            sweeps.folder, space=space, fit=fit, engine="native", resources={"cpu": 1}, keep_weights=True
        )
        script = sweeps.folder / "moving.py"
        sources = {"root": str(ROOT), "record": str(sweeps.record), "hold": str(sweeps.hold)}
        script.write_text(REALLY.format(**sources))
        sweeps.command = [sys.executable, str(script)]
        sweeps.hold.touch()

    def begun(self):
        """For each trial, its points and its first epoch, the trials with the most points first."""
        lines = self.sweeps.record.read_text().split("\n")[:-1] if self.sweeps.record.exists() else []
        return sorted((tuple(map(int, line.split())) for line in lines), reverse=True)

    def end(self, process):
        """Let the sweep end, and compare all that it has stored with an undisturbed one, bit for bit."""
        self.sweeps.hold.unlink()
        output, _ = process.communicate(timeout=900)
        assert process.returncode == 0, output
        self.sweeps.wrapper = ()
        code, output = self.sweeps.run("alone", timeout_s=900)
        assert code == 0, output
        for part, order in (("points", "idx"), ("curves", ["idx", "epoch"]), ("weights", "idx")):
            moved, alone = (
                pd.read_parquet(self.sweeps.folder / out / part)
                .sort_values(order, ignore_index=True)
                .drop(columns="seconds", errors="ignore")
                for out in ("out", "alone")
            )
            assert len(moved)
            pd.testing.assert_frame_equal(moved, alone, check_exact=True)


@pytest.mark.slow
def test_moved_points_have_the_same_bits(sweeps):
    real = Real(sweeps, units=[3], rates=64)
    process = sweeps.start("here")
    sweeps.wait_for(lambda: len(real.begun()) == 2, process)
    assert real.begun() == [(64, 1), (32, 4)]  # the receiver's first epoch is the fourth
    real.end(process)


@pytest.fixture
def network():
    try:
        with Network(8) as made:
            yield made
    except PermissionError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_eight_nodes_share_what_was_cut_for_four(sweeps, network, tmp_path_factory):
    """Each node has an address of its own, and about a quarter of a core on a machine of two."""
    real = Real(sweeps, units=[3, 4], rates=128)
    with clusters.on_network(network, tmp_path_factory.mktemp("n")) as address:
        sweeps.wrapper = network.inside(network.head)
        process = sweeps.start(address)
        sweeps.wait_for(lambda: len(real.begun()) == 8, process, timeout_s=1200)
        # Two programs of 128 points; a trial has at least 64 points at the start. All wait after three epochs.
        given = real.begun()[4:]
        assert real.begun()[:4] == [(64, 1)] * 4 and {epoch for _, epoch in given} == {4}
        real.end(process)


def nodes_of(sweeps):
    return [trial["labels"]["ray.io/node-id"] for trial in begun(sweeps)]


@pytest.mark.slow
def test_a_node_that_joins_gets_points_and_one_that_leaves_gives_them_back(numpy_sweeps):
    """All points are in training on the first node, so none waits for the second."""
    write_plan(numpy_sweeps.folder, space=SPACE, fit={"epochs": 4}, resources={"cpu": 1})
    with clusters.running(nodes=1, **GIVES) as cluster:
        process = started(numpy_sweeps, "--address", cluster.address, "--insecure")
        numpy_sweeps.wait_for(lambda: len(begun(numpy_sweeps)) == 1, process)
        cluster.add()
        joined = time.monotonic()
        numpy_sweeps.wait_for(lambda: len(begun(numpy_sweeps)) == 2, process)
        print(f"the node has points after {time.monotonic() - joined:.1f} s")  # shown by pytest -s
        first, second = nodes_of(numpy_sweeps)
        assert first != second and begun(numpy_sweeps)[1]["epoch"] == 1
        cluster.nodes.pop().kill()
        # Their worker was lost. The first node is busy, so they wait for a third.
        cluster.add(2)
        numpy_sweeps.wait_for(lambda: len(begun(numpy_sweeps)) == 4, process)
        third, _fourth = begun(numpy_sweeps)[2:]
        assert sorted(third["points"]) == sorted(begun(numpy_sweeps)[1]["points"]) and third["epoch"] == 1
        assert len(set(nodes_of(numpy_sweeps))) == 3  # the third has two cores, and gets points for each
        ended(numpy_sweeps, process)
