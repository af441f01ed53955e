"""The numbers that a person watches, and what is read of them from a folder."""

import json

import pyarrow as pa

from results.directions import Directions
from results.folder.run_folder import RunFolder
from sweep.process.tally import Tally, best_text, counts_text, duration, metric_text, read_progress
from tests.help.tallies import tally


def test_points_are_counted():
    made = tally()
    assert (made.done, made.open, made.not_well) == (7, 3, 2)
    assert made.best == {
        "by": "loss_va",
        "loss_va": 2.5,
        "loss_te": 4.0,
        "idx": 5,
        "config": {"rate": "[/] [bold]"},
    }
    assert made.points_per_minute == 5 and made.eta_s == 36
    assert Tally(asked=3).eta_s is None
    assert counts_text(made.counts) == "3 completed, 1 pruned, 1 diverged, 1 failed, 1 timeout"


def test_the_best_is_the_highest_where_the_objective_is_better_when_higher():
    made = Tally(asked=3, directions=Directions("auc", {"auc": "max"}))
    for aucs in ([0.5, 0.7], [0.6, float("nan")]):
        rows = [
            {"status": "completed", "auc_va": auc, "auc_te": 0.3, "idx": int(10 * auc)}
            for auc in aucs
            if auc == auc
        ]
        made.add(pa.RecordBatch.from_pylist(rows), lambda idx: {"units": idx})
    assert made.best == {"by": "auc_va", "auc_va": 0.7, "auc_te": 0.3, "idx": 7, "config": {"units": 7}}
    assert best_text(made.best) == "val auc 0.7000, test auc 0.3000"


def test_the_progress_of_an_earlier_version_is_read(tmp_path):
    old = {**tally().to_dict(), "best": {"loss_te": 2.0, "idx": 1, "config": {}}}
    RunFolder(tmp_path).progress.write_text(json.dumps(old))
    assert best_text(read_progress(RunFolder(tmp_path))["best"]) == "test loss 2.0000"


def test_durations_are_readable():
    assert [duration(s) for s in (None, 0.4, 75, 90_061)] == ["?", "0:00:00", "0:01:15", "1 day, 1:01:01"]
    assert duration(1e300) == duration(1e14)  # more than Python's own durations hold


def test_a_broken_progress_file_is_no_news(tmp_path):
    folder, well = RunFolder(tmp_path), tally().to_dict()
    folder.progress.write_text(json.dumps(well))
    assert read_progress(folder)["best"]["idx"] == 5
    folder.progress.unlink()
    # As a stranger may write it: what is told of it is computed with, and pasted into a shell.
    strange = [
        json.dumps({**well, **change})
        for change in (
            {"asked": "many"}, {"eta_s": 1e300}, {"workers": None}, {"training_s": float("nan")},
            {"best": {"idx": 1}}, {"best": {"by": "loss_va", "idx": 1, "config": {}}},
            {"best": {"by": "loss_va", "loss_va": float("inf"), "idx": 1, "config": {}}},
            {"best": {"by": "loss_va", "loss_va": 10**400, "idx": 1, "config": {}}},
            {"best": 3}, {"selection": "--points 3; rm x"}, {"selection": 3},
        )
    ]  # fmt: skip
    strange.append('{"asked": 3}')
    for content in (None, "", "[1]", '{"asked": ', *strange):
        if content is not None:
            folder.progress.write_text(content)
        assert read_progress(folder) == {}


def test_a_metric_and_an_idx_may_be_very_large(tmp_path):
    # As the squared error of amounts of money; and a point of a huge grid, of which some are drawn.
    best = {"by": "mse_va", "mse_va": 3e13, "mse_te": 4e13, "idx": 2 * 10**12, "config": {}}
    folder = RunFolder(tmp_path)
    folder.progress.write_text(json.dumps({**tally().to_dict(), "best": best}))
    assert read_progress(folder)["best"] == best


def test_small_numbers_keep_their_digits():
    values = [0.0, 1.0, 12.34567, 0.1, 0.0123456, 0.00001234567, -0.0123456]
    assert [metric_text(value) for value in values] == [
        "0.0000", "1.0000", "12.3457", "0.1000", "0.01235", "1.235e-05", "-0.01235",
    ]  # fmt: skip
    best = {"by": "mse_va", "mse_va": 1.5e-7, "mse_te": 2e-7, "idx": 1, "config": {}}
    assert best_text(best) == "val mse 1.5e-07, test mse 2e-07"
