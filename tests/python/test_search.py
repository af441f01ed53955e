"""`sweep.search` trains what a session has, into a folder like any other run's, and the same call resumes it."""

import importlib
import json
import signal
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import results
import sweep
from sweep import Plan
from sweep.driver import here
from sweep.errors import InputError
from sweep.models.rebuild import UntrustedError
from sweep.models.verify import verified
from sweep.python import search as module
from tests.help.predictions import write_mixed_table

pytestmark = pytest.mark.long(60)

CHANCE = np.random.default_rng(1)
X = CHANCE.normal(size=(60, 3)).astype("float32")
Y = X @ [1.0, -2.0, 0.5]
SPACE = {"units": [2, 3]}
QUICK = {"epochs": 2, "scheduler": "none", "engine": "native", "in_process": True, "show": False}


def network(factor=1, outputs=1, loss="mse", activation=None):
    """Return a builder that is a closure."""

    def build(units, *, input_shape, normalizer):
        inputs = keras.Input(input_shape)
        hidden = keras.layers.Dense(factor * units, activation="relu")(normalizer(inputs))
        model = keras.Model(inputs, keras.layers.Dense(outputs, activation=activation)(hidden))
        model.compile("sgd", loss)
        return model

    return build


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_arrays_are_trained_as_keras_trains_them():
    run = sweep.search(network(), X, Y, space=SPACE, **QUICK)
    assert run.folder.path == Path("runs/build").resolve() and len(run.points) == 2
    checks = [entry for _, entry, done in verified(run, Plan.load(run.folder.plan), [0, 1]) if done]
    assert len(checks) == 2 and not any(entry.differences for entry in checks)
    found = run.predict(1, X[:4], trust=True)
    np.testing.assert_allclose(found, run.model(1, trust=True).predict(X[:4], verbose=0), rtol=1e-5)


def test_more_repeats_go_into_the_same_folder_and_fewer_do_not():
    once = sweep.search(network(), X, Y, space=SPACE, **QUICK)
    twice = sweep.search(network(), X, Y, space=SPACE, repeats=2, **QUICK)
    assert twice.folder.path == once.folder.path and twice.points["seed"].tolist() == [0, 0, 1, 1]
    assert twice.top()["repeats"].tolist() == [2, 2]
    with pytest.raises(InputError, match=r"repeats: was 2, is 1"):
        sweep.search(network(), X, Y, space=SPACE, out="runs/build", **QUICK)
    assert sweep.search(network(), X, Y, space=SPACE, **QUICK).folder.path.name == "build-2"


def test_a_frame_with_texts_and_classes_predicts_labels(tmp_path, capsys):
    frame = write_mixed_table(tmp_path / "table.csv")
    builder = network(outputs=3, loss="sparse_categorical_crossentropy", activation="softmax")
    run = sweep.search(
        builder, frame.drop(columns="grade"), frame["grade"], space=SPACE, data={"missing": "fill"}, out="there",
        **{**QUICK, "show": True},
    )  # fmt: skip
    assert "The run is in there." in capsys.readouterr().out
    found = results.open("there").predict(0, frame, trust=True)
    assert list(found) == ["grade", "p_high", "p_low", "p_mid"] and len(found) == len(frame) == 80
    assert run.plan["data"]["target"] == "grade"


def test_each_note_is_shown_once(capsys):
    x = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "same": 3.0})
    for _ in range(2):  # the second call finds all points trained
        sweep.search(network(), x, Y, space=SPACE, **{**QUICK, "show": True})
        said = capsys.readouterr().out
        assert said.count('Note: The column "same" is left out') == said.count("Note: ") == 1
        assert ".." not in said


def test_the_same_call_finds_its_run_and_another_gets_a_new_folder():
    def call(builder=None, x=X, **changes):
        return sweep.search(builder or network(), x, Y, space=SPACE, **{**QUICK, **changes}).folder.path.name

    assert call() == call() == "build"
    assert call(network(factor=2)) == "build-2"
    assert call(x=X + 1) == "build-3"
    assert call(epochs=1) == "build-4"
    assert [call(), call(network(factor=2)), call(x=X + 1), call(epochs=1)] == [
        "build",
        "build-2",
        "build-3",
        "build-4",
    ]
    plan = Plan.load("runs/build-3/plan.yaml")
    assert plan.found_builder.path.parent == Path("runs/build-3/given/builder").resolve()


def test_ctrl_c_keeps_what_is_finished_and_the_same_call_resumes(monkeypatch):
    finish = here.Intake.add

    def finish_and_interrupt(self, rows):
        finish(self, rows)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(here.Intake, "add", finish_and_interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"1 points are open.*the same call resumes"):
        sweep.search(network(), X, Y, space=SPACE, **QUICK)
    assert len(results.open("runs/build").points) == 1
    monkeypatch.undo()
    assert (
        len(sweep.search(network(), X, Y, space=SPACE, out=Path("runs/build").resolve(), **QUICK).points) == 2
    )


def test_what_stops_a_search_is_an_error(monkeypatch):
    from results.folder.errors import FolderError
    from results.store.store import Store

    def refuse(*_):
        raise FolderError("no room")

    monkeypatch.setattr(Store, "commit", refuse)
    with pytest.raises(module.SearchError, match=r"no room\n.*the same call resumes"):
        sweep.search(network(), X, Y, space=SPACE, **QUICK)


def test_a_folder_with_another_run_is_refused_and_stays_as_it_was():
    sweep.search(network(), X, Y, space=SPACE, out="a", **QUICK)
    files = {path: path.read_bytes() for path in Path("a/given").rglob("*") if path.is_file()}
    for said, builder, x, space in (
        ("builder: its source changed", network(factor=3), X, SPACE),
        ("the data: other rows were given", network(), X * 2, SPACE),
        ("space.units: was", network(), X, {"units": [2, 5]}),
    ):
        with pytest.raises(InputError, match=f"holds another run.*\n.*{said}"):
            sweep.search(builder, x, Y, space=space, out="a", **QUICK)
    assert {path: path.read_bytes() for path in Path("a/given").rglob("*") if path.is_file()} == files
    Path("b").mkdir()
    Path("b/notes.txt").touch()
    with pytest.raises(InputError, match="the folder has files of something else"):
        sweep.search(network(), X, Y, space=SPACE, out="b", **QUICK)


def test_rows_written_by_another_version_are_the_same_rows(monkeypatch):
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(t=Y)
    sweep.search(network(), frame, "t", space=SPACE, out="a", **QUICK)
    stored = Path("a/given/data.parquet").read_bytes()
    to_parquet = pd.DataFrame.to_parquet
    monkeypatch.setattr(pd.DataFrame, "to_parquet", lambda *a, **k: to_parquet(*a, **k, compression="gzip"))
    assert len(sweep.search(network(), frame, "t", space=SPACE, out="a", **QUICK).points) == 2
    assert Path("a/given/data.parquet").read_bytes() == stored


def test_state_of_a_session_is_not_mixed():
    settings = {"alpha": 1.0}

    def build(alpha):
        settings["alpha"] = alpha
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(
            "sgd", lambda y, p: settings["alpha"] * keras.ops.mean(keras.ops.square(y - p), axis=-1)
        )
        return model

    run = sweep.search(build, X, Y, space={"alpha": [0.5, 1.0, 2.0]}, **{**QUICK, "engine": "auto"})
    losses = run.points.sort_values("idx")["loss_te"].tolist()
    assert len({round(loss, 3) for loss in losses}) == 3 and settings == {"alpha": 1.0}
    checks = [entry for _, entry, done in verified(run, Plan.load(run.folder.plan), [0, 1, 2]) if done]
    assert not any(entry.differences for entry in checks)


def test_a_pickle_is_not_run_unasked():
    run = sweep.search(network(), X, Y, space=SPACE, **QUICK)
    with pytest.raises(UntrustedError, match=r"build.pkl:build, a pickled function.*trust=True"):
        run.model(0)
    with pytest.raises(UntrustedError):
        run.predict(0, X)


def test_functions_of_a_file_are_named():
    Path("mine.py").write_text(
        "import keras\ndef build(units):\n    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units), "
        "keras.layers.Dense(1)])\n    model.compile('sgd', 'mse')\n    return model\n"
    )
    run = sweep.search("mine.py:build", X, Y, space=SPACE, **QUICK)
    assert run.plan["builder"] == f"{Path('mine.py').resolve()}:build"
    assert not Path("runs/build/given/builder").exists()


def test_a_function_of_a_package_may_import_relatively(monkeypatch):
    body = "    model = keras.Sequential([keras.Input(input_shape), dense(units), keras.layers.Dense(1)])\n"
    for path, text in {
        "own_package/__init__.py": "",
        "own_package/nets/__init__.py": "",
        "own_package/layers.py": "import keras\ndef dense(units):\n    return keras.layers.Dense(units)\n",
        "own_package/nets/small.py": "import keras\nfrom ..layers import dense\ndef build(units, *, input_shape):\n"
        + body + "    model.compile('sgd', 'mse')\n    return model\n",
    }.items():  # fmt: skip
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)
    monkeypatch.syspath_prepend(Path.cwd())
    build = importlib.import_module("own_package.nets.small").build
    run = sweep.search(build, X, Y, space=SPACE, **QUICK)
    assert run.plan["builder"] == "own_package.nets.small:build"
    assert set(run.points["status"]) == {"completed"} and run.predict(0, X[:3], trust=True).shape == (3, 1)
    assert sweep.search(build, X, Y, space=SPACE, **QUICK).folder.path == run.folder.path
    Path("own_package/layers.py").write_text(
        "import keras\ndef dense(units):\n    return keras.layers.Dense(2 * units)\n"
    )
    assert sweep.search(build, X, Y, space=SPACE, **QUICK).folder.path != run.folder.path


def test_everything_wrong_is_in_one_message_and_nothing_is_written():
    with pytest.raises(InputError) as error:
        sweep.search(
            3,
            X,
            Y[:-1],
            space={},
            epochs=3,
            fit={"epochs": 4},
            points=0,
            cpus="two",
            schedule="none",
            data={"mising": "fill", "path": "x"},
        )
    said = str(error.value)
    for part in (
        "build got int", "x has 60 rows, but y has 59", "space got {}", "epochs=3 and fit", "'schedule'. Did you mean "
        "'scheduler'", "points got 0", "cpus got 'two'", "'mising' in data. Did you mean 'missing'",
    ):  # fmt: skip
        assert part in said
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"space": {"unit": [2]}}, "unit"),
        ({"space": {"units": [np.tanh]}}, "units"),
        ({"epochs": 0}, "epochs got 0"),
        ({"engine": "best"}, "engine"),
        ({"out": "s3://bucket/run"}, "a folder of this machine"),
        ({"objective": "", "points": 1}, "objective"),
        ({"data": {"task": "binary"}}, "data.task is binary"),
    ],
)
def test_plans_and_data_that_cannot_be_used_are_refused_before_anything_is_written(changes, said):
    with pytest.raises(InputError) as error:
        sweep.search(network(), X, Y, **{**QUICK, "space": SPACE, **changes})
    assert said in str(error.value) and "sweep-search-" not in str(error.value)
    assert not list(Path().iterdir())


@pytest.mark.ci
@pytest.mark.heavy
def test_workers_of_ray_get_the_function_by_value():
    run = sweep.search(
        network(), X, Y, space=SPACE, epochs=2, scheduler="none", cpus=1, show=False, engine="keras"
    )
    again = sweep.search(network(), X, Y, space=SPACE, out="here", **QUICK)
    for one, other in zip(
        run.points.sort_values("idx").itertuples(), again.points.sort_values("idx").itertuples(), strict=True
    ):
        assert one.loss_te == pytest.approx(other.loss_te, rel=1e-6)
    assert json.loads(run.folder.progress.read_text())["stage"] == "finished"


def test_keys_about_columns_change_nothing_for_arrays(capsys):
    data = {"missing": "fill", "drop": ["id"], "categories": {"k": "hash"}}
    run = sweep.search(network(), X, Y, space=SPACE, data=data, **{**QUICK, "show": True})
    said = "Arrays have no columns, so these keys under data change nothing: drop (['id'])"
    assert said in capsys.readouterr().out
    again = sweep.search(network(), X, Y, space=SPACE, data=data, **QUICK)
    assert again.folder.path == run.folder.path and set(again.points["status"]) == {"completed"}
    assert sweep.run(run.folder.plan, run.folder.path, in_process=True, show=False).exit_code == 0
    with pytest.raises(InputError, match=r"no meaning: weight \('w'\)"):
        sweep.search(network(), X, Y, space=SPACE, data={**data, "weight": "w"}, **QUICK)


def test_several_inputs_and_outputs_are_dictionaries():
    def branches(units, *, input_shape):
        inputs = {name: keras.Input(shape, name=name) for name, shape in input_shape.items()}
        parts = [keras.layers.Flatten()(one) for one in inputs.values()]
        hidden = keras.layers.Dense(units, "relu")(keras.layers.Concatenate()(parts))
        outputs = {name: keras.layers.Dense(1, name=name)(hidden) for name in ("size", "kind")}
        model = keras.Model(inputs, outputs)
        model.compile("adam", {"size": "mse", "kind": "mae"})
        return model

    x = {"left": X, "right": CHANCE.normal(size=(60, 2, 2)).astype("float32")}
    run = sweep.search(
        branches, x, {"size": Y, "kind": Y > 0}, space={"units": [3]}, **{**QUICK, "engine": "auto"}
    )
    assert set(run.points["status"]) == {"completed"} and run.points["size_loss_te"].notna().all()
    found = run.predict(0, x, trust=True)
    assert {name: array.shape for name, array in found.items()} == {"size": (60, 1), "kind": (60, 1)}
