"""Exactly once on an object store: a real S3 with real faults in between."""

import itertools
import multiprocessing
import queue
import signal
import time

import numpy as np
import pandas as pd
import pytest

from results.folder import object_store, retry
from results.folder.errors import FolderError
from results.folder.run_folder import RunFolder
from results.store.read import read_points
from results.store.store import Store
from tests.help.often import slow_but
from tests.help.rows import AXES, check_entered, entered, finished
from tests.help.s3 import at_random
from tests.help.writers import Writer

pytestmark = pytest.mark.long(40)

OUT = "s3://bucket/a/run"


@pytest.fixture
def folder(s3, monkeypatch):
    monkeypatch.setattr(retry, "PATIENCE_S", 20.0)
    monkeypatch.setattr(retry, "BACKOFF_S", 0.005)
    monkeypatch.setattr(retry, "LONGEST_BACKOFF_S", 0.05)
    monkeypatch.setattr(retry, "FIRST_PATIENCE_S", 5.0)
    monkeypatch.setattr(object_store, "REQUEST_TIMEOUT_S", 1.0)
    made = RunFolder(OUT)
    made.create()
    return made


def read(name):
    return pd.read_parquet(f"{OUT}/{name}")


def check(expected):
    points = read("points")
    assert sorted(points["idx"]) == sorted(item.row["idx"] for item in expected)
    if not expected:
        return
    curves, weights = read("curves"), read("weights")
    assert not curves.duplicated(["idx", "epoch"]).any() and weights["idx"].is_unique
    by_idx, stored = points.set_index("idx"), weights.set_index("idx")["values"].to_dict()
    for item in expected:
        idx = item.row["idx"]
        for name in ("status", "epochs", "loss_te", "MAE_va"):
            value = item.row.get(name)
            assert by_idx.loc[idx, name] == value or (pd.isna(by_idx.loc[idx, name]) and value is None)
        own = curves[curves["idx"] == idx].sort_values("epoch")
        for name, values in item.curve.items():
            np.testing.assert_array_equal(own[name], values)
        assert stored.get(idx) == (item.kept["values"] if item.kept else None)
    assert set(curves["idx"]) | set(stored) <= set(points["idx"])


def test_an_empty_store_can_be_read(folder):
    Store(folder, AXES)
    assert len(read("points")) == 0 and {"idx", "units", "hidden", "status", "loss_te"} <= set(read("points"))


def test_metrics_may_come_later_and_each_object_is_written_once(folder, s3):
    store = Store(folder, AXES)
    items = [finished(0, status="failed", epochs=0, error="RuntimeError: no"), finished(1)]
    items.append(finished(2, metrics=("loss", "MAE", "MAPE")))
    sizes = set()
    for item in items:
        store.commit([item])
        sizes.add((folder.points / "part-00000.parquet").stat().st_size)
    assert len(sizes) == 1  # though columns were added
    store.commit(items)
    check(items)
    assert [n for n in read("points") if n.endswith("_te")] == ["loss_te", "MAE_te", "MAPE_te"]
    puts = [path.split("?")[0] for method, path in s3.seen if method == "PUT" and ".parquet" in path]
    with_rows = [path for path in puts if "part-00000." not in path]
    assert (
        len(with_rows) == len(set(with_rows)) == 3 + 2 + 2
    )  # points; no curves and weights of the failed one
    again = Store(folder, AXES)
    assert len(again) == 3 and not again.notes
    assert read_points(folder)["idx"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_rows_are_what_was_committed_whatever_the_store_does(folder, s3, seed):
    chance = np.random.default_rng(seed)
    s3.decide = at_random(0.25, seed)
    store, done = Store(folder, AXES), []
    for batch in np.array_split(chance.permutation(24), 8):
        items = [finished(int(i), epochs=int(chance.integers(0, 5))) for i in batch]
        if chance.random() < 0.3:
            store = Store(folder, AXES)
        store.commit(items)
        done += items
    s3.decide = lambda method, path: None
    check(done)
    assert not folder.spool.exists() and not Store(folder, AXES).notes


def test_a_put_that_lands_late_changes_nothing(folder, s3):
    store = Store(folder, AXES)
    late = ["points"]

    def decide(method, path):
        return "late" if method == "PUT" and late and f"/{late[0]}/" in path and late.pop() else None

    s3.decide = decide
    store.commit([finished(1)])
    store.commit([finished(2)])
    time.sleep(s3.late_s + 0.5)
    assert not late
    check([finished(1), finished(2)])


@pytest.mark.heavy
@pytest.mark.parametrize("landed", slow_but([True], [False, True]))
def test_what_a_store_that_is_away_did_not_take_is_kept_and_stored_later(folder, s3, monkeypatch, landed):
    store = Store(folder, AXES)
    store.commit([finished(1)])
    monkeypatch.setattr(retry, "PATIENCE_S", 0.3)
    fault = "cut after" if landed else "cut before"
    s3.decide = lambda method, path: fault if method == "PUT" and "/points/" in path else None
    with pytest.raises(FolderError) as error:
        store.commit([finished(2), finished(3)], [entered(2, 3)])
    assert str(folder.spool) in str(error.value) and "when the same command runs again" in str(error.value)
    assert store.unstored == {"completed": 2} and 2 not in store
    s3.decide = lambda method, path: None
    with pytest.raises(
        FolderError, match="is kept in"
    ):  # it does not know what was stored, so it stores no more
        store.commit([finished(4)])
    assert sorted(read("points")["idx"]) == ([1, 2, 3] if landed else [1])

    again = Store(folder, AXES)
    assert any("2 points that were finished but not stored have been stored" in note for note in again.notes)
    check([finished(1), finished(2), finished(3)])
    check_entered(again, [entered(2, 3)])
    assert not folder.spool.exists()
    again.commit([finished(2), finished(4)])
    check([finished(idx) for idx in (1, 2, 3, 4)])


def test_of_the_spool_what_others_have_committed_since_is_left_out(folder, s3, monkeypatch):
    store = Store(folder, AXES)
    monkeypatch.setattr(retry, "PATIENCE_S", 0.2)
    s3.decide = lambda method, path: "503" if method == "PUT" else None
    with pytest.raises(FolderError):
        store.commit([finished(1), finished(2)])
    s3.decide = lambda method, path: None
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_STATE_HOME", "/nonexistent")
        Store(folder, AXES).commit([finished(2)])
    Store(folder, AXES)
    check([finished(1), finished(2)])


def test_the_spool_of_another_run_in_the_same_place_is_not_taken(folder, s3, monkeypatch):
    folder.fingerprint.write_bytes(b"one")
    store = Store(folder, AXES)
    monkeypatch.setattr(retry, "PATIENCE_S", 0.2)
    s3.decide = lambda method, path: "503" if method == "PUT" else None
    with pytest.raises(FolderError):
        store.commit([finished(1)])
    s3.decide = lambda method, path: None
    folder.fingerprint.write_bytes(b"other")
    other = Store(folder, AXES)
    assert len(other) == 0 and "belongs to another run" in other.notes[0] and not folder.spool.exists()


@pytest.mark.heavy
@pytest.mark.parametrize("lost", slow_but(["points"], ["points", "curves", "weights"]))
def test_a_damaged_object_is_set_aside_and_its_points_open(folder, lost):
    store = Store(folder, AXES)
    for idx in range(3):
        store.commit([finished(idx)])
    path = sorted((folder.path / lost).glob("*"))[2]
    path.write_bytes(path.read_bytes()[:-100])
    store = Store(folder, AXES)
    assert 1 not in store and len(store) == 2 and any("damaged" in note for note in store.notes)
    assert len(folder.damaged.glob("*.parquet")) == 1
    check([finished(0), finished(2)])
    store.commit([finished(1)])
    check([finished(idx) for idx in range(3)])


def test_a_damaged_object_is_set_aside_though_the_answer_to_its_removal_is_lost(folder, s3):
    Store(folder, AXES).commit([finished(1), finished(2)])
    (path,) = folder.points.glob("part-00001-*")
    path.write_bytes(b"damaged")
    lost = []

    def decide(method, path):
        if method != "DELETE" or len(lost) == 2:  # the client itself repeats the first on another connection
            return None
        lost.append(path)
        return "cut after"

    s3.decide = decide
    store = Store(folder, AXES)
    assert lost and len(store) == 0 and any("set aside" in note for note in store.notes)
    assert len(folder.damaged.glob("points-part-00001-*")) == 1
    check([])


@pytest.mark.parametrize("lost", [False, True])
def test_of_a_point_of_two_drivers_one_row_stays_with_its_own_curve_and_weights(folder, lost):
    one, two = Store(folder, AXES), Store(folder, AXES)
    one.commit([finished(1)])
    one.commit([finished(2)])
    theirs = finished(2, epochs=5, loss_te=0.5)
    two.commit([theirs, finished(3)])  # the first by its name
    assert sorted(read("points")["idx"]) == [1, 2, 2, 3]
    if lost:  # then the first row is not whole
        for path in folder.curves.glob(f"*-{two._token}.parquet"):
            path.unlink()
    store = Store(folder, AXES)
    check([finished(1), finished(2)] if lost else [finished(1), theirs, finished(3)])
    assert any("stored by two drivers" in note for note in store.notes)
    assert any("1 points lost their curve" in note for note in store.notes) is lost
    assert not Store(folder, AXES).notes


@pytest.mark.heavy
@pytest.mark.parametrize("answered", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_writer_that_dies_between_any_two_puts_loses_and_doubles_nothing(folder, s3, answered):
    Store(folder, AXES)
    expected = 0
    for nth in (1, 3, 4, 6):
        puts, started = itertools.count(1), queue.Queue()

        def decide(method, path, nth=nth, puts=puts, started=started):
            if method == "PUT" and ".parquet" in path and next(puts) == nth:
                started.get(timeout=60).kill()
                return "cut after" if answered else "cut before"
            return None

        s3.decide = decide
        writer = Writer(OUT, most=3)
        started.put(writer.process)
        writer.process.join(60)
        assert writer.process.exitcode == -signal.SIGKILL
        s3.decide = lambda method, path: None
        seen = sorted(read("points")["idx"])
        # Three PUTs a commit (and twice one of columns, before the first row), the points' the last.
        assert seen == list(range(len(seen))) and len(seen) >= expected
        expected = len(seen)
        store = Store(folder, AXES)
        assert not store.notes
        check([finished(idx) for idx in seen])
    assert expected >= 3


def _read_until(stop, reads, found):
    last = 0
    while not stop.is_set():
        points = pd.read_parquet(f"{OUT}/points")
        if not points["idx"].is_unique or len(points) < last or not points["seed"].notna().all():
            found.put("a reader saw a row twice, or lost one")
            return
        reads.value, last = reads.value + 1, len(points)
    found.put("as it should be")


@pytest.mark.ci
@pytest.mark.heavy
def test_a_plain_reader_never_fails_and_sees_each_row_once(folder):
    context = multiprocessing.get_context("spawn")
    stop, reads, found = context.Event(), context.Value("i", 0), context.Queue()
    store = Store(folder, AXES)
    reader = context.Process(target=_read_until, args=(stop, reads, found))
    reader.start()
    idx = 0
    while (reads.value < 3 or idx < 20) and reader.is_alive():
        metrics = (
            ("loss", "MAE") if idx < 10 else ("loss", "MAE", f"M{idx // 5}")
        )  # columns are added on the way
        store.commit([finished(idx, metrics=metrics)])
        idx += 1
    stop.set()
    assert found.get(timeout=60) == "as it should be"
    reader.join()
    assert reader.exitcode == 0


def test_commits_are_made_less_often_the_more_there_are(folder, monkeypatch):
    store = Store(folder, AXES)
    assert store.pause_s == 2.0
    monkeypatch.setattr(type(store._points), "parts", 1000)
    assert store.pause_s == 20.0
    monkeypatch.setattr(type(store._points), "parts", 10**6)
    assert store.pause_s == 60.0
