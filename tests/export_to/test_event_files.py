"""Event files, read back by TensorBoard's own code: their values are those of the Parquet files."""

import itertools
import json

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups
from tensorboardX.record_writer import RecordWriter

import results
from results.export_to.chosen_points import ALL, Choice, ChosenPoints
from results.export_to.event_files import write
from results.folder.errors import FolderError
from results.store.store import Store
from tests.help.exports import HOSTILE_AXES, make_run
from tests.help.rows import finished, space_of


def export(run, logdir, **choice):
    return list(write(ChosenPoints(run, Choice(**{"best": ALL, **choice})), logdir))


def scalars(folder):
    """Return (step, value) of each event, by tag."""
    accumulator = EventAccumulator(str(folder), {"scalars": 0})
    accumulator.Reload()
    return {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }


def hparams_tab(logdir):
    """Return what the HParams tab shows: its experiment, and its sessions by name."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    context = backend_context.Context(
        TBContext(logdir=str(logdir), data_provider=MultiplexerDataProvider(multiplexer, str(logdir)))
    )
    statuses = [0, 1, 2, 3]
    request = api_pb2.ListSessionGroupsRequest(slice_size=100_000, allowed_statuses=statuses)
    experiment = get_experiment.Handler(RequestContext(), context, "", api_pb2.GetExperimentRequest()).run()
    groups = list_session_groups.Handler(RequestContext(), context, "", request).run().session_groups
    return experiment, {group.sessions[0].name: group for group in groups}


def test_final_metrics_and_curves_are_those_of_the_run(small_run, tmp_path):
    run = results.open(small_run)
    assert export(run, tmp_path / "logs", curves=3) == [True] * 8
    best = set(run.top(3)["idx"])
    for _, row in run.points.iterrows():
        found = scalars(tmp_path / f"logs/idx-{row['idx']}")
        final = [f"{metric}_{split}" for metric in run.metrics for split in ("tr", "va", "te")]
        final += ["data_loss_va", "params", "epochs", "best_epoch", "seconds"]
        curves = [*run.metrics, *(f"val_{metric}" for metric in run.metrics), "learning_rate"]
        curves = curves if row["idx"] in best else []
        assert set(found) == {f"final/{name}" for name in final} | {f"curves/{name}" for name in curves}
        for name in final:  # TensorBoard keeps float32
            assert found[f"final/{name}"] == [(row["best_epoch"], np.float32(row[name]))]
        stored = run.curves(int(row["idx"]))
        for name in curves:
            assert found[f"curves/{name}"] == list(zip(stored["epoch"], stored[name], strict=True))


def test_the_hparams_tab_has_every_axis_and_metric(small_run, tmp_path):
    run = results.open(small_run)
    export(run, tmp_path / "logs")
    experiment, sessions = hparams_tab(tmp_path / "logs")
    assert {info.name: MessageToDict(info.domain_discrete) for info in experiment.hparam_infos} == {
        "hidden": ["[8]", "[512, 512]"],
        "activation": ["relu"],
        "use_batch": [True],
        "dropout_rate": [0, 0.5],
        "kernel_regularizer": ["null", "l2"],
    }
    types = {info.name: api_pb2.DataType.Name(info.type) for info in experiment.hparam_infos}
    assert types["use_batch"].endswith("BOOL") and types["dropout_rate"].endswith("FLOAT64")
    assert types["hidden"].endswith("STRING") and types["kernel_regularizer"].endswith("STRING")
    assert [info.display_name for info in experiment.metric_infos][:3] == ["loss_te", "MAE_te", "loss_va"]
    assert len(sessions) == 8
    for row in run.points.to_dict("records"):
        session = sessions[f"idx-{row['idx']}"]
        config = run.config(row["idx"])
        config |= {"hidden": json.dumps(config["hidden"])}
        config |= {"kernel_regularizer": config["kernel_regularizer"] or "null"}
        assert {name: plain(value) for name, value in session.hparams.items()} == config
        values = {value.name.tag: value.value for value in session.metric_values}
        assert set(values) == {info.name.tag for info in experiment.metric_infos}
        assert values["final/MAE_te"] == np.float32(row["MAE_te"])
        assert session.sessions[0].status == api_pb2.STATUS_SUCCESS
        took_s = session.sessions[0].end_time_secs - session.sessions[0].start_time_secs
        assert took_s == pytest.approx(row["seconds"], abs=1e-3)  # times are floats of seconds since 1970


def plain(value):
    return getattr(value, value.WhichOneof("kind"))


def test_hostile_names_values_and_failures_are_shown(hostile_run, tmp_path):
    export(hostile_run, tmp_path / "logs é", curves=ALL)
    experiment, sessions = hparams_tab(tmp_path / "logs é")
    assert {info.name for info in experiment.hparam_infos} == set(HOSTILE_AXES)
    for point in ChosenPoints(hostile_run, Choice(best=ALL)):
        session = sessions[f"idx-{point.idx}"]
        found = {name: plain(value) for name, value in session.hparams.items()}
        assert found == point.settings
        kinds = {name: type(value) for name, value in found.items()}  # 1 and "1" are two values of "mixed"
        assert kinds == {n: float if type(v) is int else type(v) for n, v in point.settings.items()}
        failed = point.row["status"] in ("diverged", "failed", "timeout")
        assert session.sessions[0].status == (api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS)
    assert "curves/m é/x" in scalars(tmp_path / "logs é/idx-0")
    assert set(scalars(tmp_path / "logs é/idx-4")) == {"final/epochs"}


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if "tfevents" in path.name}


def test_the_same_run_adds_what_is_missing_and_doubles_nothing(small_run, tmp_path):
    run, logs = results.open(small_run), tmp_path / "logs"
    assert export(run, logs, best=3, curves=1) == [True] * 3
    before = files(logs)
    assert export(run, logs, best=5, curves=2) == [False, True, False, True, True]
    after = files(logs)
    points = {path: at for path, at in before.items() if path.parent != logs}
    assert len(points) == 4 and points.items() <= after.items() and len(after) == 1 + 5 + 2
    best = int(run.top(1)["idx"][0])
    assert {len(events) for events in scalars(logs / f"idx-{best}").values()} == {1, 3}
    assert len(hparams_tab(logs)[1]) == 5


def test_a_point_that_was_trained_again_is_shown_as_it_is_now(tmp_path):
    logs, axes = tmp_path / "logs", {"units": [1, 2, 3, 4]}
    late = {"idx": 2, "status": "timeout", "epochs": 2}
    rows = [{"idx": 0}, {"idx": 1, "status": "failed", "epochs": 0, "error": "no"}, late, {"idx": 3}]
    run = make_run(tmp_path / "run", axes, rows)
    assert export(run, logs, curves=ALL) == [True] * 4
    assert export(run, logs, curves=ALL) == [False] * 4
    before = files(logs)
    Store(run.folder, space_of(axes), again=[1, 2]).commit([finished(1), finished(2)])
    run = results.open(run.folder.path)
    idx = [point.idx for point in ChosenPoints(run, Choice(best=ALL))]
    assert export(run, logs, curves=1) == [number in (1, 2) for number in idx]
    sessions = hparams_tab(logs)[1]
    assert (
        all(s.sessions[0].status == api_pb2.STATUS_SUCCESS for s in sessions.values()) and len(sessions) == 4
    )
    for row in run.points.to_dict("records"):
        assert scalars(logs / f"idx-{row['idx']}")["final/loss_te"] == [(1, np.float32(row["loss_te"]))]
    # The curve of two epochs is not that of this training, and of the others nothing has changed.
    assert ("curves/loss" in scalars(logs / "idx-2")) is (idx[0] == 2)
    after = files(logs)
    assert all(after[path] == at for path, at in before.items() if path.parent.name in ("idx-0", "idx-3"))
    assert export(run, logs, curves=ALL).count(True) == 2 - (idx[0] in (1, 2))
    assert len(scalars(logs / "idx-2")["curves/loss"]) == 3
    assert export(run, logs, curves=ALL) == [False] * 4


def test_an_export_of_an_earlier_version_is_brought_up_to_date(hostile_run, tmp_path):
    export(hostile_run, tmp_path / "logs", curves=ALL)
    for path in tmp_path.glob("logs/*/sweep-row"):
        path.unlink()
    curves = len(list(tmp_path.rglob("*curve")))
    assert export(hostile_run, tmp_path / "logs") == [True] * 12
    assert export(hostile_run, tmp_path / "logs") == [False] * 12
    assert len(list(tmp_path.rglob("*curve"))) == curves


def test_a_folder_of_something_else_is_left_alone(small_run, hostile_run, tmp_path):
    run = results.open(small_run)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="is not empty"):
        export(run, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    export(hostile_run, tmp_path / "theirs")
    before = files(tmp_path / "theirs")
    with pytest.raises(ValueError, match="points of another run"):
        export(run, tmp_path / "theirs")
    assert files(tmp_path / "theirs") == before
    with pytest.raises(ValueError, match="is not empty"):
        export(run, small_run)
    (tmp_path / "empty").mkdir()
    assert export(run, tmp_path / "empty", best=1) == [True]


def test_stopped_half_way_the_folder_is_readable_and_can_be_completed(small_run, tmp_path):
    run, logs = results.open(small_run), tmp_path / "logs"
    half = write(ChosenPoints(run, Choice(best=ALL, curves=ALL)), logs)
    assert list(itertools.islice(half, 3)) == [True] * 3
    half.close()
    assert len(hparams_tab(logs)[1]) == 3
    assert export(run, logs, curves=ALL) == [False] * 3 + [True] * 5
    assert len(hparams_tab(logs)[1]) == 8


def test_tensorboard_never_sees_half_a_file(small_run, tmp_path, monkeypatch):
    sizes, real = [], RecordWriter.write

    def watched(self, data):
        real(self, data)
        sizes.extend((path, path.stat().st_size) for path in tmp_path.rglob("*tfevents*"))

    monkeypatch.setattr(RecordWriter, "write", watched)
    export(results.open(small_run), tmp_path / "logs", curves=ALL)
    assert len(sizes) > 100 and all(path.stat().st_size == size for path, size in sizes)


def test_a_full_disk_is_said_and_leaves_whole_files(tmp_path, tiny_disk):
    rows = [{"idx": idx, "epochs": 100, "weights": False} for idx in range(40)]
    run = make_run(tmp_path / "run", {"units": list(range(40))}, rows)
    with pytest.raises(FolderError, match="cannot be written"):
        export(run, tiny_disk / "logs", curves=ALL)
    assert not list(tiny_disk.rglob(".part"))
    whole = [path.parent for path in (tiny_disk / "logs").rglob("*curve")]
    assert whole
    assert {len(scalars(folder)["curves/loss"]) for folder in whole} == {100}
