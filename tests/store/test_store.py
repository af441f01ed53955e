"""The store has each committed point exactly once, and opens points again whose rows were torn or damaged."""

import itertools
import multiprocessing
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.folder.errors import FolderError
from results.folder.run_folder import RunFolder
from results.store import local_dataset as dataset_module
from results.store import parquet
from results.store import store as store_module
from results.store.store import Store
from tests.help.rows import AXES, check_entered, entered, finished
from tests.help.writers import Writer


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "a run é")
    made.create()
    return made


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(store_module, "MAX_ROWS", {"points": 5, "curves": 20, "weights": 7, "rungs": 6})


def read(folder):
    return pd.read_parquet(folder.points), pd.read_parquet(folder.curves), pd.read_parquet(folder.weights)


def check(folder, expected):
    points, curves, weights = read(folder)
    assert sorted(points["idx"]) == sorted(item.row["idx"] for item in expected)
    by_idx = points.set_index("idx")
    for item in expected:
        idx = item.row["idx"]
        for name, value in item.row.items():
            if name != "idx":
                stored = by_idx.loc[idx, name]
                assert stored == value or (pd.isna(stored) and value is None), (idx, name)
        own = curves[curves["idx"] == idx].sort_values("epoch")
        assert list(own["epoch"]) == list(range(1, item.row["epochs"] + 1))
        for name, values in item.curve.items():
            np.testing.assert_array_equal(own[name], values)
        kept = weights.loc[weights["idx"] == idx, "values"].tolist()
        assert kept == ([item.kept["values"]] if item.kept else [])
    assert set(curves["idx"]) | set(weights["idx"]) <= set(points["idx"])


def test_an_empty_store_can_be_read(folder):
    Store(folder, AXES)
    points, curves, weights = read(folder)
    assert len(points) == len(curves) == len(weights) == 0
    assert {"idx", "units", "hidden", "status", "loss_te"} <= set(points.columns)


@pytest.mark.heavy  # takes long
def test_rows_are_what_was_committed(folder, small_parts):
    chance = np.random.default_rng(0)
    store = Store(folder, AXES)
    done = []
    for batch in np.array_split(chance.permutation(60), 17):
        items = [finished(int(i), epochs=int(chance.integers(0, 9))) for i in batch]
        if chance.random() < 0.3:
            store = Store(folder, AXES)
        store.commit(items)
        done += items
        check(folder, done)
    assert len(list(folder.points.iterdir())) <= 60 / 5 + 1
    assert duckdb.sql(f"SELECT count(*), min(hidden) FROM '{folder.points}/*.parquet'").fetchall() == [
        (60, "[8, 4]")
    ]


def test_a_point_is_committed_once(folder):
    store = Store(folder, AXES)
    first = finished(4)
    store.commit([first, finished(4, status="pruned")])
    store.commit([finished(4, status="pruned"), finished(5)])
    check(folder, [first, finished(5)])
    assert 4 in store and 6 not in store and len(store) == 2
    again = Store(folder, AXES)
    assert len(again) == 2 and not again.notes


def test_metrics_may_come_later(folder, small_parts):
    store = Store(folder, AXES)
    items = [finished(i, status="failed", epochs=0, error="RuntimeError: no") for i in range(6)]
    store.commit(items)
    later = [finished(7), finished(8, metrics=("loss", "MAE", "MAPE"))]
    store.commit(later[:1])
    store.commit(later[1:])
    check(folder, [*items, *later])
    assert [n for n in read(folder)[0].columns if n.endswith("_te")] == ["loss_te", "MAE_te", "MAPE_te"]
    reopened = Store(folder, AXES)
    reopened.commit([finished(9)])
    check(folder, [*items, *later, finished(9)])


def test_the_folder_of_an_earlier_version_gets_the_column_of_the_data_loss(folder):
    old = [finished(i) for i in range(4)]
    Store(folder, AXES).commit(old)
    for part in folder.points.glob("*.parquet"):
        part.write_bytes(parquet.to_bytes(parquet.read(part).drop_columns("data_loss_va")))
    assert "data_loss_va" not in read(folder)[0]
    check(folder, old)
    new = [finished(i, data_loss_va=i / 8) for i in range(4, 8)]
    Store(folder, AXES).commit(new)
    check(folder, [*old, *new])
    assert read(folder)[0].set_index("idx")["data_loss_va"].isna().sum() == 4


def test_the_curves_have_the_data_loss_if_an_engine_logs_it(folder, small_parts):
    store = Store(folder, AXES)
    items = [finished(1, status="failed", epochs=0), finished(2)]
    store.commit(items)
    assert "val_data_loss" not in read(folder)[1]
    for idx in (3, 4):
        items.append(finished(idx, data_loss_va=0.5))
        items[-1].curve["val_data_loss"] = np.array([0.5, 1, 2], "float32")
        store.commit(items[-1:])
        store = Store(folder, AXES)
        check(folder, items)
    points, curves, _ = read(folder)
    assert [name for name in (*points, *curves) if "data_loss" in name] == ["data_loss_va", "val_data_loss"]


def test_numbers_that_are_not_finite_are_missing(folder):
    item = finished(1, status="diverged")
    item.row["loss_tr"], item.row["loss_te"] = float("nan"), float("inf")
    Store(folder, AXES).commit([item])
    assert read(folder)[0][["loss_tr", "loss_te"]].isna().all(axis=None)


@pytest.mark.heavy  # takes long
@pytest.mark.parametrize("lost", ["points", "curves", "weights"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_a_damaged_part_is_set_aside_and_its_points_open(folder, small_parts, lost, damage):
    items = {i: finished(i) for i in range(23)}
    store = Store(folder, AXES)
    for item in items.values():
        store.commit([item])
    path = sorted((folder.path / lost).iterdir())[1]
    hit = set(pd.read_parquet(path)["idx"])
    raw = bytearray(path.read_bytes())
    if damage == "flip":
        raw[len(raw) // 3] ^= 4
    path.write_bytes({"truncate": raw[: len(raw) // 2], "flip": raw, "empty": b""}[damage])

    store = Store(folder, AXES)
    assert hit and hit.isdisjoint(i for i in items if i in store)
    assert len(store) == len(items) - len(hit)
    check(folder, [item for i, item in items.items() if i not in hit])
    assert any("damaged" in note for note in store.notes)
    assert [p.name.startswith(f"{lost}-part-00001-") for p in folder.damaged.iterdir()] == [True]
    # They can be committed again, and then all is as it was.
    store.commit([items[i] for i in hit])
    check(folder, list(items.values()))
    assert not Store(folder, AXES).notes


def test_curves_of_a_torn_commit_are_dropped(folder):
    store = Store(folder, AXES)
    store.commit([finished(1)])
    before = {path: path.read_bytes() for path in folder.points.iterdir()}
    store.commit([finished(2)])
    for path, content in before.items():  # as if the machine had stopped before the last rename
        path.write_bytes(content)
    (folder.points / ".part-00000.parquet.tmp").write_bytes(b"half a part")
    reopened = Store(folder, AXES)
    check(folder, [finished(1)])
    assert not list(folder.points.glob(".*"))
    reopened.commit([finished(2)])
    check(folder, [finished(1), finished(2)])


def test_of_rows_that_are_there_twice_the_first_ones_stay(folder, tmp_path):
    """No process writes them, but a file system whose locks do not work can leave them."""
    other = RunFolder(tmp_path / "other")
    other.create()
    Store(folder, AXES).commit([finished(1), finished(2)])
    Store(other, AXES).commit([finished(2, epochs=5, loss_te=0.5), finished(3)])
    for name in ("points", "curves", "weights"):
        part = other.path / name / "part-00000.parquet"
        (folder.path / name / "part-00001.parquet").write_bytes(part.read_bytes())
    store = Store(folder, AXES)
    check(folder, [finished(1), finished(2), finished(3)])
    assert store.notes == ["1 points were stored by two drivers: one row of each is kept."]
    assert not Store(folder, AXES).notes


@pytest.mark.parametrize("failing", ["weights", "curves", "points"])
def test_a_commit_that_failed_can_be_tried_again(folder, small_parts, monkeypatch, failing):
    store = Store(folder, AXES)
    store.commit([finished(1)])
    write = dataset_module.replace_file

    def fail_once(path, content):
        if path.parent.name == failing:
            monkeypatch.setattr(dataset_module, "replace_file", write)
            raise FolderError("no room")
        write(path, content)

    monkeypatch.setattr(dataset_module, "replace_file", fail_once)
    with pytest.raises(FolderError):
        store.commit([finished(2), finished(3)])
    assert list(pd.read_parquet(folder.points)["idx"]) == [1] and 2 not in store
    store.commit([finished(2), finished(3)])
    check(folder, [finished(1), finished(2), finished(3)])


def test_a_part_that_cannot_be_read_now_is_not_set_aside(folder, monkeypatch):
    Store(folder, AXES).commit([finished(1)])

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as context:
        context.setattr(parquet, "read", refuse)
        with pytest.raises(FolderError, match="Permission denied"):
            Store(folder, AXES)
    assert 1 in Store(folder, AXES) and not folder.damaged.exists()


def test_a_metric_with_a_taken_name_is_refused_whole(folder):
    store = Store(folder, AXES)
    with pytest.raises(ValueError, match='the column "epoch"'):
        store.commit([finished(1, metrics=("loss", "epoch"))])
    store.commit([finished(2)])
    check(folder, [finished(2)])


def test_rows_without_wanted_weights_are_open_again(folder):
    Store(folder, AXES, keep_weights=False).commit([finished(1, weights=False)])
    assert 1 in Store(folder, AXES, keep_weights=False)
    assert 1 not in Store(folder, AXES, keep_weights=True)


def test_points_that_are_to_be_trained_again_lose_their_rows_and_all_else(folder, small_parts):
    points = [finished(idx) for idx in range(12)]
    Store(folder, AXES).commit(points)
    store = Store(folder, AXES, again=[3, 11, 400])
    assert 3 not in store and 11 not in store and len(store) == 10 and not store.notes
    check(folder, [point for point in points if point.row["idx"] not in (3, 11)])
    store.commit([finished(3, epochs=5), finished(4)])
    check(folder, [points[idx] for idx in (0, 1, 2, *range(4, 11))] + [finished(3, epochs=5)])


@pytest.mark.heavy
@settings(max_examples=30)
@given(
    losses=st.lists(st.one_of(st.none(), st.floats(0, 9, width=32)), min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=4),
    most=st.integers(1, 6),
)
def test_the_best_so_far_keep_their_weights_and_the_rows_say_so(losses, cuts, most):
    with tempfile.TemporaryDirectory() as position:
        folder = RunFolder(Path(position))
        items = [
            replace(one := finished(idx), row={**one.row, "loss_va": loss}) for idx, loss in enumerate(losses)
        ]
        positions = sorted({0, *(cut for cut in cuts if cut < len(items)), len(items)})
        for start, end in itertools.pairwise(positions):
            store = Store(folder, AXES, keep_weights=most)  # opened anew each time: it finds its best again
            assert not store.notes
            store.commit(items[start:end])
        rows = pd.read_parquet(folder.points).set_index("idx")
        stored = set(pd.read_parquet(folder.weights)["idx"]) if any(folder.weights.glob("*")) else set()
        assert set(rows.index[rows["has_weights"]]) == stored
        expected, lowest = set(), []
        for start, end in itertools.pairwise(positions):
            for loss, idx in sorted((losses[i], i) for i in range(start, end) if losses[i] is not None):
                if len(lowest) < most or loss < lowest[-1]:
                    expected.add(idx)
                    lowest = sorted([*lowest, loss])[:most]
        assert stored == expected


def test_a_point_keeps_its_weights_though_its_first_commit_failed(folder, monkeypatch):
    store = Store(folder, AXES, keep_weights=1)
    worse, better = (replace(one := finished(idx), row={**one.row, "loss_va": 3.0 - idx}) for idx in (1, 2))
    store.commit([worse])
    with monkeypatch.context() as context:
        context.setattr(dataset_module, "replace_file", lambda *_: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            store.commit([better])
    store.commit([better])
    assert pd.read_parquet(folder.points)["has_weights"].tolist() == [True, True]


@pytest.mark.heavy
def test_a_writer_killed_at_any_moment_loses_and_doubles_nothing(folder, monkeypatch):
    monkeypatch.setattr(store_module, "MAX_ROWS", {"points": 7, "curves": 30, "weights": 9, "rungs": 9})
    chance = np.random.default_rng(5)
    said = -1
    for _ in range(10):
        writer = Writer(folder.path, again=True, MAX_ROWS=store_module.MAX_ROWS)
        while writer.next() < said + 5:
            pass
        time.sleep(chance.random() * 0.05)
        said = max([said + 5, *writer.kill()])
        points = pd.read_parquet(folder.points)
        assert points["idx"].is_unique
        assert set(range(said + 1)) <= set(points["idx"]) <= set(range(said + 2))
        store = Store(folder, AXES)
        assert not store.notes
        check(folder, [finished(int(i)) for i in points["idx"]])


def _read_until(path, stop, reads, found):
    last = 0
    while not stop.is_set():
        points = pd.read_parquet(path)
        ok = points["idx"].is_unique and len(points) >= last and points["seed"].notna().all()
        reads.value, last = reads.value + 1, len(points)
        if not ok:
            found.put("a reader saw a row twice, or lost one")
            return
    found.put("as it should be")


@pytest.mark.heavy
def test_a_plain_reader_never_fails_and_sees_each_row_once(folder, small_parts):
    context = multiprocessing.get_context("spawn")
    stop, reads, found = context.Event(), context.Value("i", 0), context.Queue()
    store = Store(folder, AXES)
    reader = context.Process(target=_read_until, args=(folder.points, stop, reads, found))
    reader.start()
    idx = 0
    while (reads.value < 40 or idx < 80) and reader.is_alive():
        metrics = ("loss", "MAE") if idx < 40 else ("loss", "MAE", "MAPE")  # columns are added on the way
        store.commit([finished(idx, metrics=metrics)])
        idx += 1
    stop.set()
    assert found.get(timeout=60) == "as it should be"
    reader.join()
    assert reader.exitcode == 0


@pytest.mark.heavy  # takes long
def test_a_full_disk_corrupts_nothing(tiny_disk):
    folder = RunFolder(tiny_disk)
    folder.create()
    store = Store(folder, AXES)
    items = [finished(i, epochs=200) for i in range(1000)]
    with pytest.raises(FolderError, match=r"tiny disk.*No space left"):
        for item in items:
            store.commit([item])
    count = len(store)
    assert 0 < count < 1000
    assert sorted(pd.read_parquet(folder.points)["idx"]) == list(range(count))
    subprocess.run(["mount", "-o", "remount,size=8m", tiny_disk], check=True)
    store = Store(folder, AXES)
    assert not store.notes
    store.commit(items[count : count + 50])
    check(folder, items[: count + 50])


def test_a_read_only_disk_is_named(tiny_disk):
    folder = RunFolder(tiny_disk)
    folder.create()
    store = Store(folder, AXES)
    store.commit([finished(1)])
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    with pytest.raises(FolderError, match=r"tiny disk.*Read-only"):
        store.commit([finished(2)])
    check(folder, [finished(1)])


@pytest.mark.heavy  # takes long
def test_what_was_entered_survives_a_reopening(folder, small_parts):
    chance, store, done, items = np.random.default_rng(1), Store(folder, AXES), [], []
    check_entered(store, [])
    for step in range(25):
        parts = [
            entered(*chance.integers(0, 10**9, size=size).tolist(), milestone=step + 1)
            for size in chance.integers(1, 5, size=chance.integers(0, 3))
        ]
        if chance.random() < 0.3:
            store = Store(folder, AXES)
            assert not store.notes
        fresh = [finished(step)] if chance.random() < 0.5 else []
        store.commit(fresh, parts)
        done, items = done + parts, items + fresh
        check_entered(store, done)
    check_entered(Store(folder, AXES), done)
    check(folder, items)
    rows = sum(len(part["idx"]) for part in done)
    assert 1 < len(list(folder.rungs.iterdir())) <= rows / 6 + 1


def test_what_was_entered_is_committed_without_a_point(folder):
    store = Store(folder, AXES)
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*.parquet")}
    store.commit([], [entered(3, 4)])
    store.commit([], [])
    assert before == {path: path.stat().st_mtime_ns for path in before}
    store.commit([finished(1)], [])
    store.commit([finished(1)], [entered(3, milestone=40)])  # the point is there already
    check_entered(Store(folder, AXES), [entered(3, 4), entered(3, milestone=40)])
    check(folder, [finished(1)])
    assert 3 not in store and len(store) == 1


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
@pytest.mark.parametrize("number", [0, 1, 2], ids=["first", "middle", "last"])
def test_a_damaged_part_of_the_rungs_is_set_aside_alone(folder, small_parts, damage, number):
    parts = [entered(*range(step * 3, step * 3 + 3)) for step in range(5)]  # two of them fill a part
    store = Store(folder, AXES)
    for idx, part in enumerate(parts):
        store.commit([finished(idx)], [part])
    path = sorted(folder.rungs.iterdir())[number]
    raw = bytearray(path.read_bytes())
    if damage == "flip":
        raw[len(raw) // 3] ^= 4
    path.write_bytes({"truncate": raw[: len(raw) // 2], "flip": raw, "empty": b""}[damage])

    store = Store(folder, AXES)
    left = parts[: number * 2] + parts[number * 2 + 2 :]
    check_entered(store, left)
    assert [path.name.startswith(f"rungs-part-0000{number}-") for path in folder.damaged.iterdir()] == [True]
    (note,) = store.notes
    assert "ASHA" in note and "open again" not in note
    check(folder, [finished(idx) for idx in range(5)])  # no row is lost with it
    store.commit([], [entered(99)])
    check_entered(Store(folder, AXES), [*left, entered(99)])


@pytest.mark.parametrize("failing", ["rungs", "weights", "curves", "points"])
@pytest.mark.parametrize("before", [1, 6], ids=["a part with room", "a full part"])
def test_a_commit_that_failed_takes_back_rows_and_what_was_entered(
    folder, small_parts, monkeypatch, failing, before
):
    store, earlier = Store(folder, AXES), entered(*range(100, 100 + before))
    store.commit([finished(1)], [earlier])
    write = dataset_module.replace_file

    def fail(path, content):
        if path.parent.name == failing:
            raise FolderError("no room")
        write(path, content)

    with monkeypatch.context() as context:
        context.setattr(dataset_module, "replace_file", fail)
        for _ in range(2):
            with pytest.raises(FolderError):
                store.commit([finished(2)], [entered(2, 3)])
    assert 2 not in store and list(pd.read_parquet(folder.points)["idx"]) == [1]
    store.commit([finished(2)], [entered(2, 3)])
    for opened in (store, Store(folder, AXES)):
        check_entered(opened, [earlier, entered(2, 3)])  # once
    check(folder, [finished(1), finished(2)])


def test_a_commit_that_failed_with_a_new_metric_can_be_tried_again(folder, monkeypatch):
    store = Store(folder, AXES)
    store.commit([finished(1)])
    later, write, written = finished(2, metrics=("loss", "MAE", "MAPE")), dataset_module.replace_file, []

    def fail(path, content):
        written.append(path.parent.name)
        if written.count("points") == 2:  # the first is the part with the new columns
            raise FolderError("no room")
        write(path, content)

    with monkeypatch.context() as context:
        context.setattr(dataset_module, "replace_file", fail)
        with pytest.raises(FolderError):
            store.commit([later])
    assert written == ["points", "curves", "weights", "curves", "points"]
    store.commit([later])
    check(folder, [finished(1), later])
