"""Points as MLflow runs: what is sent is what MLflow takes; a real server shows them once each, whatever happened."""

import contextlib
import importlib.util
import itertools
import json
import posixpath
import re
import socket
import subprocess
import sys
import time
import urllib.request
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import results
from results.export_to.chosen_points import ALL, Choice, ChosenPoints
from results.export_to.mlflow_server import _Experiment, batches, keys, tags, text, write
from results.store.store import Store
from tests.help.exports import HOSTILE_AXES, make_run
from tests.help.rows import finished, space_of

NAMES = st.text(max_size=300) | st.text("./_-: aé\\\n", max_size=6)


@given(st.lists(NAMES, unique=True, max_size=8))
def test_keys_are_what_mlflow_takes_and_no_two_alike(names):
    found = keys(names)
    assert list(found) == names and len(set(found.values())) == len(names)
    for key in found.values():
        for whole in (key, f"curves/{key}"):  # the rules of mlflow.utils.validation
            assert re.fullmatch(r"[/\w.\- :]+", whole) and len(whole) <= 250
            assert posixpath.normpath(whole) == whole and not whole.startswith(("..", "/")) and whole != "."


def test_names_are_changed_as_documented():
    names = ["learning_rate", "é 1.2-x", "a/b", "a:b", "a_b", "..", "", "x" * 300]
    assert list(keys(names).values()) == [
        "learning_rate", "é 1.2-x", "a_b", "a_b_2", "a_b_3", "_..", "_", "x" * 230
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("relu", "relu"), ("", ""), (True, "true"), (8, "8"), (0.001, "0.001"), (1e-30, "1e-30"),
        ("x" * 6000, "x" * 6000), ("x" * 6001, "x" * 5997 + "..."),
    ],
)  # fmt: skip
def test_params_are_text(value, expected):
    assert text(value) == expected


def test_tags_say_what_is_no_number(hostile_run):
    found = {p.idx: tags(p, "model.py:build") for p in ChosenPoints(hostile_run, Choice(best=ALL))}
    assert found[2] == {
        "idx": "2", "status": "pruned", "engine": "keras", "seed": "0", "builder": "model.py:build"
    }  # fmt: skip
    assert found[4]["status"] == "failed"
    assert found[4]["error"].startswith("it broke, very") and len(found[4]["error"]) == 5000


@given(st.integers(0, 3000), st.integers(0, 250))
def test_batches_hold_everything_once_and_no_more_than_mlflow_takes(metrics, params):
    parts = list(batches(range(metrics), range(params)))
    assert list(itertools.chain.from_iterable(some for some, _ in parts)) == list(range(metrics))
    assert list(itertools.chain.from_iterable(some for _, some in parts)) == list(range(params))
    assert all(0 < len(a) + len(b) <= 1000 and len(a) <= 1000 and len(b) <= 100 for a, b in parts)


def test_without_mlflow_the_remedy_is_said(hostile_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ValueError, match=r'pip install "keras-grid-sweep\[mlflow\]"'):
        write(ChosenPoints(hostile_run, Choice(best=1)), "http://127.0.0.1:9", "test")


class Client:
    """What an export asks of MLflow to find, make and delete runs; its runs are kept in a list."""

    def __init__(self):
        self.runs, self.deleted, self._numbers = [], [], itertools.count()

    def search_runs(self, numbers, condition, max_results, page_token):
        found = [run for run in self.runs if run.info.run_id not in self.deleted]
        return type("Page", (list,), {"token": None})(found)

    def create_run(self, number, start_ms, named, run_name):
        info = SimpleNamespace(run_id=next(self._numbers), status="FINISHED")
        made = SimpleNamespace(info=info, data=SimpleNamespace(tags=dict(named)))
        self.runs.append(made)
        return made

    def delete_run(self, run_id):
        self.deleted.append(run_id)


@pytest.mark.parametrize("earlier", [False, True], ids=["this version", "an earlier version"])
def test_a_point_that_was_trained_again_gets_another_run(tmp_path, monkeypatch, earlier):
    monkeypatch.setattr(_Experiment, "_log", lambda *_: None)
    axes, client = {"units": [1, 2]}, Client()
    run = make_run(tmp_path / "run", axes, [{"idx": 0}, {"idx": 1, "status": "failed", "epochs": 0}])

    def written():
        chosen = ChosenPoints(results.open(run.folder.path), Choice(best=ALL))
        return dict(
            zip([point.idx for point in chosen], _Experiment(client, "0", chosen).write(), strict=True)
        )

    assert written() == {0: True, 1: True} and written() == {0: False, 1: False}
    if earlier:
        for made in client.runs:
            del made.data.tags["sweep.row"]
    Store(run.folder, space_of(axes), again=[1]).commit([finished(1)])
    assert written() == {0: False, 1: True} and written() == {0: False, 1: False}
    left = {made.data.tags["idx"]: made.data.tags["status"] for made in client.search_runs(0, "", 0, None)}
    assert left == {"0": "completed", "1": "completed"} and len(client.deleted) == 1 and len(client.runs) == 3


# From here on with MLflow itself, which is no dependency of the tests.
HAS_MLFLOW = all(importlib.util.find_spec(name) for name in ("mlflow", "flask", "sqlalchemy"))


def needs_mlflow(test):
    reason = "needs MLflow with its server: pip install mlflow"
    return pytest.mark.slow(pytest.mark.skipif(not HAS_MLFLOW, reason=reason)(test))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of an MLflow server with a SQLite database."""
    position, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += [
        "--backend-store-uri",
        f"sqlite:///{position}/mlflow.db",
        "--artifacts-destination",
        str(position),
    ]
    log = (position / "log").open("w")
    process = subprocess.Popen(
        [*command, "--workers", "1"], cwd=position, stdout=log, stderr=log, start_new_session=True
    )
    uri = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1000):
            assert process.poll() is None, (position / "log").read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{uri}/health", timeout=10):
                break
            time.sleep(0.2)
        yield uri
    finally:
        process.terminate()
        process.wait(30)


def export(run, uri, experiment, **choice):
    return list(write(ChosenPoints(run, Choice(**{"best": ALL, **choice})), uri, experiment))


def runs_of(uri, experiment):
    """Return the experiment's runs by name."""
    import mlflow

    client = mlflow.MlflowClient(uri)
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], max_results=1000)
    named = {run.info.run_name: run for run in found}
    assert len(named) == len(found), "a point is there twice"
    return named


def history(uri, run, key):
    import mlflow

    found = mlflow.MlflowClient(uri).get_metric_history(run.info.run_id, key)
    return sorted((metric.step, metric.value) for metric in found)


@needs_mlflow
def test_a_server_shows_the_points_as_they_are(server, small_run):
    run = results.open(small_run)
    assert export(run, server, "small", curves=3) == [True] * 8
    found = runs_of(server, "small")
    for row in run.points.to_dict("records"):
        shown = found[f"idx {row['idx']}"]
        config = run.config(row["idx"])
        assert shown.data.params == {
            "activation": "relu",
            "use_batch": "true",
            "hidden": json.dumps(config["hidden"]),
            "dropout_rate": json.dumps(config["dropout_rate"]),
            "kernel_regularizer": config["kernel_regularizer"] or "null",
        }
        final = [f"{metric}_{split}" for metric in run.metrics for split in ("tr", "va", "te")]
        for name in (*final, "params", "epochs", "best_epoch", "seconds"):
            assert shown.data.metrics[name] == row[name]
        assert shown.data.tags["status"] == row["status"] and shown.data.tags["engine"] == row["engine"]
        assert shown.info.status == "FINISHED"
        took_ms = shown.info.end_time - shown.info.start_time
        assert took_ms == round(row["seconds"] * 1000)
    best = set(run.top(3)["idx"])
    assert {row.data.tags["idx"] for row in found.values() if "curves/loss" in row.data.metrics} == {
        str(idx) for idx in best
    }
    for idx in map(int, best):
        curve = run.curves(idx)
        for name in (*run.metrics, "val_loss", "val_MAE", "learning_rate"):
            expected = list(zip(curve["epoch"], curve[name], strict=True))
            assert history(server, found[f"idx {idx}"], f"curves/{name}") == expected


@needs_mlflow
def test_hostile_points_arrive(server, hostile_run):
    export(hostile_run, server, "hostile é/ \"'", curves=ALL)
    found = runs_of(server, "hostile é/ \"'")
    names = keys(HOSTILE_AXES)
    for point in ChosenPoints(hostile_run, Choice(best=ALL)):
        shown = found[f"idx {point.idx}"]
        assert shown.data.params == {names[name]: text(value) for name, value in point.settings.items()}
        assert shown.info.status == ("FINISHED" if point.well else "FAILED")
    assert len(found) == 12 and len(found["idx 4"].data.tags["error"]) == 5000
    assert "curves/m é_x" in found["idx 0"].data.metrics and "m é_x_te" in found["idx 0"].data.metrics


@needs_mlflow
def test_keys_agree_with_mlflow_s_own_rules():
    from mlflow.utils.validation import _validate_metric_name, _validate_param

    for key in keys(["..", "", "a//b", "/x", "é\n", "x" * 999, "."]).values():
        _validate_param(key, "")
        _validate_metric_name(f"curves/{key}")


@needs_mlflow
@pytest.mark.parametrize("after", ["create_run", "log_batch"])
def test_running_again_completes_and_doubles_nothing(server, small_run, monkeypatch, after):
    import mlflow

    run, name = results.open(small_run), f"again after {after}"
    real = getattr(mlflow.MlflowClient, after)
    calls = itertools.count(1)

    def dies(*arguments, **named):
        made = real(*arguments, **named)
        if next(calls) == 3:
            raise KeyboardInterrupt
        return made

    monkeypatch.setattr(mlflow.MlflowClient, after, dies)
    with pytest.raises(KeyboardInterrupt):
        export(run, server, name, best=3, curves=2)
    monkeypatch.undo()
    before = runs_of(server, name)
    assert "RUNNING" in {row.info.status for row in before.values()}
    again = export(run, server, name, best=3, curves=2)
    assert again.count(False) == sum(row.info.status == "FINISHED" for row in before.values())
    found = runs_of(server, name)
    assert len(found) == 3 and {row.info.status for row in found.values()} == {"FINISHED"}
    for idx in map(int, run.top(2)["idx"]):
        curve = run.curves(idx)
        shown = found[f"idx {idx}"]
        assert history(server, shown, "curves/loss") == list(zip(curve["epoch"], curve["loss"], strict=True))
        assert len(history(server, shown, "loss_te")) == 1
    assert export(run, server, name, best=3, curves=2) == [False] * 3
    assert export(run, server, name, best=4, curves=3) == [False, False, True, True]
    found = runs_of(server, name)
    assert len(found) == 4 and sum("curves/loss" in row.data.metrics for row in found.values()) == 3


@needs_mlflow
def test_mlflow_shows_a_point_that_was_trained_again_as_it_is_now(tmp_path):
    uri, axes = f"sqlite:///{tmp_path}/mlflow.db", {"units": [1, 2]}
    run = make_run(tmp_path / "run", axes, [{"idx": 0}, {"idx": 1, "status": "failed", "epochs": 0}])
    assert export(run, uri, "again", curves=ALL) == [True, True]
    before = runs_of(uri, "again")
    assert before["idx 1"].info.status == "FAILED"
    Store(run.folder, space_of(axes), again=[1]).commit([finished(1)])
    run = results.open(run.folder.path)
    assert sorted(export(run, uri, "again", curves=ALL)) == [False, True]
    found = runs_of(uri, "again")
    assert found["idx 0"].info.run_id == before["idx 0"].info.run_id
    assert found["idx 1"].info.status == "FINISHED" and found["idx 1"].data.tags["status"] == "completed"
    curve = run.curves(1)
    assert history(uri, found["idx 1"], "curves/loss") == list(
        zip(curve["epoch"], curve["loss"], strict=True)
    )
    assert export(run, uri, "again", curves=ALL) == [False, False]


@needs_mlflow
def test_more_axes_and_epochs_than_one_request_takes(server, tmp_path):
    axes = {f"axis {n}": [n] for n in range(150)}
    run = make_run(tmp_path / "wide", axes, [{"idx": 0, "epochs": 1000}])
    export(run, server, "wide", curves=1)
    [shown] = runs_of(server, "wide").values()
    assert len(shown.data.params) == 150
    assert len(history(server, shown, "curves/val_MAE")) == 1000


@needs_mlflow
def test_a_deleted_experiment_is_said(server, small_run):
    import mlflow

    run, client = results.open(small_run), mlflow.MlflowClient(server)
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(ValueError, match="was deleted"):
        export(run, server, "gone")


@needs_mlflow
@pytest.mark.parametrize("kind", ["nobody", "silent", "no such scheme"])
def test_a_server_that_does_not_answer_is_said_within_seconds(small_run, kind):
    run = results.open(small_run)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if kind == "silent":
            listener.listen()
        uri = "gopher://x" if kind == "no such scheme" else f"http://127.0.0.1:{listener.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(ValueError, match=f"MLflow at {uri} cannot be written"):
            export(run, uri, "x")
    assert time.monotonic() - began < 30  # MLflow itself tries for minutes


@needs_mlflow
def test_a_server_that_goes_away_is_said(small_run, server, monkeypatch):
    import mlflow

    def fails(*arguments, **named):
        raise mlflow.exceptions.MlflowException("the disk\nis full")

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", fails)
    with pytest.raises(ValueError, match="the disk is full"):
        export(results.open(small_run), server, "away")
