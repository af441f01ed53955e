"""What Tune tells the collector, made up here, into a real store and a real searcher."""

import pickle
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from ray.exceptions import RayError

from cluster.errors import ClusterError
from results.folder.errors import FolderError
from results.folder.run_folder import RunFolder
from results.store.store import Store
from sweep import Plan
from sweep.driver import collector
from sweep.driver.collector import Collector
from sweep.driver.deaths import FALSE_STARTS
from sweep.driver.searcher import PointSearcher
from sweep.process.signals import StopRequested
from sweep.process.tally import Tally
from tests.help.plans import small_plan
from trainables.engine import Report, Rows, curves_of, weights_of
from trainables.trials.engines import WAIT
from trainables.trials.trial import PAYLOAD


class Sweep:
    """A sweep whose trials are told about by the test."""

    def __init__(self, workplace, **changes):
        changes = {"retries": 1, "seed": 5, **changes}
        self.plan = Plan(**small_plan(**changes), base=workplace)
        self.folder = RunFolder(workplace / "out")
        self.folder.create()
        self.store = Store(self.folder, self.plan.space, self.plan.keep_weights)
        self.searcher = PointSearcher()
        self.tally = Tally(asked=12)
        self.should_stop = False
        self.steps = 0
        self.collector = Collector(
            self.plan,
            self.store,
            self.searcher,
            self.tally,
            self.step,
            lambda: self.should_stop,
        )
        self.trials = 0

    def step(self):
        self.steps += 1

    def trial(self, config):
        """A trial that waits: its worker has not begun with it."""
        self.trials += 1
        return SimpleNamespace(trial_id=str(self.trials), config=config, error_file=None)

    def start(self, config):
        trial = self.trial(config)
        self.collector.on_trial_start(0, [], trial)
        return trial

    def group(self, *points):
        return self.start({"points": np.array(points), "engine": "fused"})

    def point(self, idx):
        return self.start({"points": np.array([idx]), "engine": "keras"})

    def report(self, trial, **report):
        result = {"done": report.get("done", False), PAYLOAD: Report(**report)}
        self.collector.on_trial_result(0, [], trial, result)
        assert PAYLOAD not in result  # Tune would keep it

    def die(self, trial):
        self.collector.on_trial_error(0, [], trial)

    def next(self, number=1):
        """Return what the searcher hands out next: a point, a list for a group, None for nothing."""
        found = []
        for config in (self.searcher.suggest("trial") for _ in range(number)):
            points = config and config["points"].tolist()
            found.append(points[0] if config and config["engine"] == "keras" else points)
        return found if number > 1 else found[0]

    def rows(self):
        self.collector.commit()
        return pd.read_parquet(self.folder.points).set_index("idx")


@pytest.fixture
def sweep(workplace):
    return Sweep(workplace)


def rows_of(*points, status="completed", epochs=2, engine="fused", error=None):
    """What an engine reports of `points` that have finished."""
    count, idx = len(points), np.array(points)
    best = min(epochs, 1)
    rows = {
        "idx": idx,
        "status": [status] * count,
        "epochs": np.full(count, epochs, "int32"),
        "best_epoch": pa.array([best or None] * count, pa.int32()),
        "params": np.full(count, 17),
        "seed": np.full(count, 5),
        "seconds": np.full(count, 0.5),
        "engine": [engine] * count,
        "error": pa.array([error] * count, pa.string()),
    }
    if epochs:
        rows |= {f"loss_{split}": np.arange(count) + 1.0 + at for at, split in enumerate(("tr", "va", "te"))}
    logs = {name: np.repeat(idx.astype("float32"), epochs) for name in ("loss", "val_loss", "learning_rate")}
    curves = curves_of(idx, np.full(count, epochs), logs)
    weights = weights_of(idx, idx.astype("uint8")[:, None], "[]") if epochs else None
    return Rows(pa.record_batch({name: pa.array(column) for name, column in rows.items()}), curves, weights)


def entered(*points, milestone=1):
    count = len(points)
    return pa.record_batch(
        {
            "milestone": np.full(count, milestone, "int32"),
            "idx": np.array(points),
            "value": np.arange(count) + 0.5,
            "passed": np.arange(count) % 2 == 0,
        }
    )


def test_a_groups_report_becomes_rows(sweep):
    trial = sweep.group(2, 5, 7, 8)
    assert sweep.tally.running == 4
    sweep.report(trial, done=False, open=2, rows=rows_of(5, 2), rungs=entered(2, 5, 7, 8))
    assert sweep.tally.running == 2 and sweep.tally.counts == {"completed": 2}
    expected = {"by": "loss_va", "loss_va": 2.0, "loss_te": 3.0, "idx": 5, "config": sweep.plan.space[5]}
    assert sweep.tally.best == expected
    rows = sweep.rows()
    assert list(rows.index) == [5, 2]
    assert rows["loss_te"].tolist() == [3.0, 4.0] and rows["error"].isna().all()
    assert (rows["engine"] == "fused").all() and (rows["seed"] == 5).all()
    for idx, row in rows.iterrows():
        assert {name: row[name] for name in sweep.plan.space.names} == sweep.plan.space[idx]
    curves = pd.read_parquet(sweep.folder.curves)
    assert curves[["idx", "epoch", "loss"]].to_numpy().tolist() == [
        [5, 1, 5],
        [5, 2, 5],
        [2, 1, 2],
        [2, 2, 2],
    ]
    weights = pd.read_parquet(sweep.folder.weights)
    assert dict(zip(weights["idx"], weights["values"], strict=True)) == {5: b"\x05", 2: b"\x02"}
    seen = pd.concat([table.to_pandas() for table in sweep.store.entered()])
    pd.testing.assert_frame_equal(seen, entered(2, 5, 7, 8).to_pandas())

    sweep.report(trial, done=True, open=0, rows=rows_of(7, 8, status="diverged", epochs=0))
    assert sweep.tally.running == 0 and sweep.tally.open == 8
    rows = sweep.rows()
    assert rows.loc[[7, 8], "status"].tolist() == ["diverged"] * 2 and rows.loc[7, "epochs"] == 0
    assert rows.loc[[7, 8], "best_epoch"].isna().all()
    assert sweep.next() is None


def test_points_that_ran_out_of_time_did_not_end_well(sweep):
    sweep.report(sweep.group(1, 2), done=True, rows=rows_of(1, 2, status="timeout", error="too long"))
    assert sweep.rows()["error"].tolist() == ["too long"] * 2
    assert sweep.tally.not_well == 2


def test_a_report_without_news_leaves_all_as_it_is(sweep):
    trial = sweep.group(1, 2)
    sweep.report(trial, done=False, open=2)
    assert sweep.tally.running == 2 and len(sweep.rows()) == 0 and sweep.next() is None


def test_a_trial_that_waits_has_no_points_and_may_die(sweep):
    trial = sweep.start({"points": np.zeros(0, np.int64), "engine": "wait"})
    sweep.report(trial)
    assert sweep.tally.running == 0
    sweep.die(trial)
    assert sweep.next() is None and sweep.tally.retried == 0 and len(sweep.rows()) == 0


def test_parts_become_groups_the_costliest_first(sweep):
    parts = [np.array([1, 2]), np.array([3]), np.array([4, 5])]
    sweep.report(sweep.group(1, 2, 3, 4, 5), done=True, parts=parts, costs=[2.0, 9.0, 4.0], why="they differ")
    assert sweep.next(4) == [[3], [4, 5], [1, 2], None]
    assert sweep.tally.running == 0 and len(sweep.rows()) == 0


def test_a_part_says_how_many_of_its_points_a_worker_may_train(sweep):
    sweep.tally.workers = 5  # a trial takes a twentieth of the work at most
    whole = sweep.start({"points": np.arange(4000), "engine": "fused", "share": 0.5})
    parts = [np.arange(1000), np.arange(1000, 4000)]
    sweep.report(whole, done=True, parts=parts, costs=[4.0, 1.0], why="they differ")
    handed = [sweep.searcher.suggest("trial") for _ in parts]
    assert [config["share"] for config in handed] == [0.4, 0.1]
    assert [config["given"]["most"] for config in handed] == [1000 / 8, 3000 / 2]
    again = sweep.start(handed[1])
    sweep.die(again)  # another worker gets it with the same limit
    assert sweep.searcher.suggest("trial")["given"]["most"] == 1500


@pytest.mark.parametrize("costs", [{}, {"costs": []}])
def test_parts_need_no_costs(sweep, costs):
    sweep.report(
        sweep.group(1, 2), done=True, parts=[np.array([1]), np.array([2])], why="they differ", **costs
    )
    assert sweep.next(3) == [[1], [2], None]


def test_points_that_no_program_can_train_go_one_by_one(sweep):
    trial = sweep.group(1, 3, 4, 6, 8, 9)
    sweep.report(trial, done=False, open=5, rows=rows_of(3))
    sweep.collector.commit()
    sweep.report(trial, done=False, open=4, rows=rows_of(6))  # not committed yet
    sweep.report(trial, done=True, refused=np.array([1, 3, 4, 6, 8, 9]), why="a layer of its own")
    assert sweep.next(5) == [1, 4, 8, 9, None]
    assert sweep.tally.one_by_one == {"a layer of its own": {"points": 4, "idx": [1, 4, 8]}}
    assert sweep.tally.running == 0 and sorted(sweep.rows().index) == [3, 6]


def test_no_sentence_is_said_of_no_points(sweep):
    trial = sweep.group(1, 2)
    sweep.report(trial, done=False, open=0, rows=rows_of(1, 2))
    sweep.report(trial, done=True, refused=np.array([1, 2]), why="a layer of its own")
    assert sweep.next() is None and sweep.tally.one_by_one == {}


def test_points_that_are_left_alone_for_one_reason_are_one_lot(sweep):
    for points, why in (([3, 4], "a layer of its own"), ([5], "another"), ([6, 7], "a layer of its own")):
        sweep.report(sweep.group(*points), done=True, refused=np.array(points), why=why)
    assert sweep.tally.one_by_one == {
        "a layer of its own": {"points": 4, "idx": [3, 4, 6]},
        "another": {"points": 1, "idx": [5]},
    }


def test_what_the_user_must_know_is_noted_once(sweep):
    for notes in (("it counts",), ("it counts", "it draws"), ()):
        sweep.report(sweep.group(0, 1), notes=notes)
    assert sweep.tally.notes == ["it counts", "it draws"]


def test_the_note_of_a_point_is_in_its_row(sweep):
    rows = rows_of(3)
    noted = pa.record_batch(
        {**dict(zip(rows.points.schema.names, rows.points.columns, strict=True)), "note": ["chance"]}
    )
    sweep.report(sweep.point(3), done=True, rows=Rows(noted, rows.curves, rows.weights))
    sweep.report(sweep.point(4), done=True, rows=rows_of(4))
    assert sweep.rows()["note"].dropna().to_dict() == {3: "chance"}


def test_where_the_fused_engine_is_a_must_they_fail(workplace):
    sweep = Sweep(workplace, engine="fused")
    trial = sweep.group(1, 3, 4)
    sweep.report(trial, done=False, open=2, rows=rows_of(3))
    sweep.report(trial, done=True, refused=np.array([1, 3, 4]), why="a layer of its own")
    rows = sweep.rows()
    assert rows["status"].to_dict() == {3: "completed", 1: "failed", 4: "failed"}
    assert rows.loc[[1, 4], "error"].tolist() == ["UnfusableError: a layer of its own."] * 2
    assert (rows["engine"] == "fused").all() and rows.loc[1, "epochs"] == 0
    assert sweep.next() is None and sweep.tally.one_by_one == {} and sweep.tally.not_well == 2


def test_a_group_whose_worker_died_comes_again_without_what_is_finished(sweep):
    sweep.searcher.add_group(np.array([10, 11]), 1e12)
    trial = sweep.group(1, 3, 4, 6)
    sweep.report(trial, done=False, open=3, rows=rows_of(3))
    sweep.collector.commit()
    sweep.report(trial, done=False, open=2, rows=rows_of(6))
    sweep.die(trial)
    assert sweep.tally.running == 0 and sweep.tally.retried == 1
    assert sweep.next(3) == [[1, 4], [10, 11], None]  # first, whatever else waits
    assert sorted(sweep.rows().index) == [3, 6]


def test_a_group_whose_worker_died_when_all_was_finished_does_not_come_again(sweep):
    trial = sweep.group(1, 2)
    sweep.report(trial, done=False, open=0, rows=rows_of(1, 2))
    sweep.die(trial)
    assert sweep.next() is None


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("engine", ["auto", "fused"])
def test_a_group_whose_worker_dies_again_and_again_is_given_up(workplace, retries, engine):
    sweep = Sweep(workplace, retries=retries, engine=engine)
    sweep.searcher.add_group(np.array([2, 4]))
    for _ in range(retries + 1):
        points = sweep.next()
        assert points == [2, 4]
        sweep.die(sweep.group(*points))
    assert sweep.tally.retried == retries and sweep.tally.running == 0
    why = f"their worker died {retries + 1} times"
    if engine == "auto":
        assert sweep.next(3) == [2, 4, None]
        assert sweep.tally.one_by_one == {why: {"points": 2, "idx": [2, 4]}}
        sweep.die(sweep.point(2))  # a count of its own
        assert (sweep.next() == 2) == (retries > 0)
    else:
        assert sweep.next() is None
        assert sweep.rows()["error"].tolist() == [f"UnfusableError: {why}."] * 2


def test_a_group_may_take_longer_than_one_point(workplace):
    sweep = Sweep(workplace, timeout_s=1e-6)
    sweep.die(sweep.group(1, 2))
    assert sweep.next() == [1, 2] and len(sweep.rows()) == 0


@pytest.mark.parametrize(("engine", "points"), [("keras", [3]), ("fused", [3, 4])])
def test_a_worker_that_ended_before_it_began_is_not_the_points_fault(sweep, engine, points):
    config = {"points": np.array(points), "engine": engine}
    handed = 3 if engine == "keras" else points
    for _ in range(FALSE_STARTS):
        sweep.die(sweep.trial(config))
        assert sweep.next() == handed
    assert sweep.tally.retried == 0
    sweep.die(sweep.trial(config))  # but not without end
    assert sweep.tally.retried == 1 and sweep.next() == handed
    sweep.die(sweep.trial(config))
    assert sweep.next(3) == ([None] * 3 if engine == "keras" else [3, 4, None])


def test_the_report_of_a_single_point_becomes_a_row(sweep):
    trials = {idx: sweep.point(idx) for idx in (3, 4, 5)}
    assert sweep.tally.running == 3
    for trial in trials.values():
        sweep.report(trial, open=1)
    assert len(sweep.rows()) == 0 and sweep.tally.running == 3
    error = "RuntimeError: no"
    for idx, status in ((3, "early_stopped"), (4, "pruned")):
        sweep.report(trials[idx], done=True, rows=rows_of(idx, status=status, engine="keras"))
    failed = rows_of(5, status="failed", epochs=0, engine="keras", error=error)
    sweep.report(trials[5], done=True, rows=failed)
    assert sweep.tally.running == 0
    rows = sweep.rows()
    assert rows["status"].to_dict() == {3: "early_stopped", 4: "pruned", 5: "failed"}
    assert (rows["engine"] == "keras").all() and rows["error"].dropna().to_dict() == {5: error}
    assert sweep.tally.counts == {"early_stopped": 1, "pruned": 1, "failed": 1}
    curves = pd.read_parquet(sweep.folder.curves)
    assert curves.groupby("idx").size().to_dict() == {3: 2, 4: 2}
    assert set(pd.read_parquet(sweep.folder.weights)["idx"]) == {3, 4}


def test_an_engine_that_can_train_nothing_ends_the_sweep_with_its_message(sweep):
    sweep.report(sweep.group(1), done=True, rows=rows_of(1))
    with pytest.raises(StopRequested, match="another Keras"):
        sweep.report(sweep.group(2, 3), broken="This is another Keras.")
    assert 1 in sweep.store and sweep.next() is None


@pytest.mark.parametrize("retries", [0, 2])
def test_a_point_whose_worker_dies_again_and_again_fails(workplace, retries):
    sweep = Sweep(workplace, retries=retries)
    for _ in range(retries):
        sweep.die(sweep.point(3))
        assert sweep.next() == 3 and sweep.tally.running == 0
    sweep.die(sweep.point(3))
    assert sweep.next() is None and sweep.tally.retried == retries
    row = sweep.rows().loc[3]
    assert (row["status"], row["engine"], row["epochs"]) == ("failed", "keras", 0)
    assert row["error"] == f"WorkerDied: the point's worker died {retries + 1} times; see sweep.log."


def test_a_point_that_hung_is_not_tried_again(workplace):
    sweep = Sweep(workplace, timeout_s=1e-6, retries=5)
    trial = sweep.point(3)
    time.sleep(0.001)
    sweep.die(trial)
    row = sweep.rows().loc[3]
    assert row["status"] == "timeout" and "timeout_s=1e-06 and did not answer" in row["error"]
    assert row["seconds"] > 0.001 and sweep.next() is None and sweep.tally.retried == 0


def test_what_was_entered_is_stored_with_the_rows(sweep):
    trial = sweep.point(3)
    sweep.report(trial, open=1, rungs=entered(3, milestone=1))
    sweep.report(trial, done=True, rows=rows_of(3), rungs=entered(3, milestone=4))
    sweep.collector.commit()
    seen = pd.concat([table.to_pandas() for table in sweep.store.entered()])
    assert seen["milestone"].tolist() == [1, 4] and 3 in sweep.store
    sweep.collector.commit()
    assert sum(table.num_rows for table in sweep.store.entered()) == 2


def test_what_was_entered_is_stored_without_a_row_too(sweep, monkeypatch):
    monkeypatch.setattr(collector, "COMMIT_EVERY_S", 0.0)
    sweep.report(sweep.point(3), open=1, rungs=entered(3))
    sweep.collector.on_step_end(0, [])
    assert sum(table.num_rows for table in sweep.store.entered()) == 1


def test_rows_are_committed_together(sweep, monkeypatch):
    sweep.report(sweep.group(1, 2), done=True, open=0, rows=rows_of(1, 2))
    sweep.collector.on_step_end(0, [])
    assert len(sweep.store) == 0 and sweep.steps == 1
    monkeypatch.setattr(collector, "COMMIT_AT_POINTS", 2)
    sweep.collector.on_step_end(0, [])
    assert len(sweep.store) == 2
    sweep.report(sweep.group(3), done=True, open=0, rows=rows_of(3))
    sweep.collector.on_step_end(0, [])
    assert len(sweep.store) == 2
    monkeypatch.setattr(collector, "COMMIT_EVERY_S", 0.0)
    sweep.collector.on_step_end(0, [])
    assert len(sweep.store) == 3 and sweep.steps == 4


@pytest.mark.parametrize("reason", ["asked", "all points are in"])
def test_the_end_comes_with_everything_committed(sweep, reason):
    points = [0, 1, 2] if reason == "asked" else list(range(12))
    sweep.report(sweep.group(*points), done=True, open=0, rows=rows_of(*points))
    sweep.should_stop = reason == "asked"
    with pytest.raises(StopRequested) as stop:
        sweep.collector.on_step_end(0, [])
    assert stop.value.error is None and len(sweep.store) == len(points)


def test_a_folder_that_cannot_be_written_stops_the_sweep_and_loses_nothing(sweep, monkeypatch):
    sweep.report(sweep.group(1), done=True, open=0, rows=rows_of(1), rungs=entered(1))

    def refuse(finished, entered=()):
        raise FolderError("no room")

    with monkeypatch.context() as context:
        context.setattr(sweep.store, "commit", refuse)
        with pytest.raises(StopRequested, match="no room"):
            sweep.collector.commit()
    assert list(sweep.rows().index) == [1]
    assert sum(table.num_rows for table in sweep.store.entered()) == 1


def test_a_progress_file_that_cannot_be_written_stops_the_sweep(sweep):
    def refuse():
        raise FolderError("no room")

    sweep.collector._on_step = refuse
    with pytest.raises(StopRequested, match="no room"):
        sweep.collector.on_step_end(0, [])


def test_a_sweep_whose_workers_never_start_says_so(sweep, monkeypatch):
    sweep.collector.on_step_end(0, [])
    monkeypatch.setattr(sweep.collector, "_start_timeout_s", -1.0)
    with pytest.raises(StopRequested, match="No worker has started"):
        sweep.collector.on_step_end(0, [])
    sweep.point(1)
    sweep.collector.on_step_end(0, [])


def test_a_sweep_whose_workers_never_start_says_what_ended_the_last_one(sweep, monkeypatch, tmp_path):
    file = tmp_path / "error.txt"
    file.write_text("Failure # 1 (occurred at 2026-11-25)\nTraceback\nOSError: no room for a worker\n")
    trial = SimpleNamespace(
        trial_id="x", config={"points": np.array([], np.int64), "engine": WAIT}, error_file=str(file)
    )
    sweep.collector.on_trial_error(0, [], trial)
    monkeypatch.setattr(sweep.collector, "_start_timeout_s", -1.0)
    with pytest.raises(
        StopRequested, match=r"No worker has started .*ended with: OSError: no room for a worker"
    ):
        sweep.collector.on_step_end(0, [])


def test_a_node_that_may_not_join_stops_the_sweep_with_everything_committed(sweep, monkeypatch):
    monkeypatch.setattr(collector, "CHECK_NODES_EVERY_S", 0.0)
    answers = [None, RayError("the head cannot be asked"), ClusterError("other versions")]

    def check():
        if answer := answers.pop(0):
            raise answer

    sweep.collector._check_nodes = check
    sweep.report(sweep.group(1, 2), done=True, open=0, rows=rows_of(1, 2))
    sweep.collector.on_step_end(0, [])
    sweep.collector.on_step_end(0, [])
    with pytest.raises(StopRequested, match="other versions"):
        sweep.collector.on_step_end(0, [])
    assert not answers and len(sweep.store) == 2


def test_of_finished_trials_only_one_is_kept(sweep):
    parts = ("storage", "placement_group_factory", "config", "evaluated_params")
    trials = []
    for number in range(3):
        data = SimpleNamespace(last_result={"a": number}, metric_analysis={"a": 1}, metric_n_steps={"a": 1})
        own = {part: {"number": number} for part in parts}
        trials.append(SimpleNamespace(trial_id=str(number), run_metadata=data, **own))
        sweep.collector.on_trial_complete(0, trials, trials[-1])
    for part in ("run_metadata", *parts):
        assert len({id(getattr(trial, part)) for trial in trials}) == 1
    assert trials[2].run_metadata.last_result == {} and trials[2].run_metadata.metric_analysis == {}


def test_seconds_of_points_that_keras_trains_are_counted(sweep):
    sweep.report(sweep.group(1, 2), done=True, rows=rows_of(1, 2), timing={"train": 3.0})
    for idx in (3, 4):
        sweep.report(sweep.point(idx), done=True, rows=rows_of(idx, engine="keras"))
    assert sweep.tally.spent_s == {"train": 3.0, "keras": 1.0} and sweep.tally.by_keras == 2


def test_it_pickles_without_what_it_holds(sweep):
    assert vars(pickle.loads(pickle.dumps(sweep.collector))) == {}
