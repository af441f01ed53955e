"""Models of several inputs and outputs predict by name, from Python, by the command and as an exported file."""

import io
import json
import re

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import results
import sweep
from sweep.errors import InputError
from sweep.models.heads import named
from sweep.models.preparation import Preparation
from sweep.models.preprocess import as_tensors
from sweep.models.save import export
from tests.help.cases import numbers, written
from tests.help.commands import refused
from tests.help.commands import sweep as command

pytestmark = pytest.mark.long(60)

BRANCHES = """
import keras


def build(units, *, input_shape, normalizer):
    inputs = {name: keras.Input(shape, name=name) for name, shape in input_shape.items()}
    parts = [keras.layers.Flatten()(normalizer[name](inputs[name])) for name in inputs]
    hidden = keras.layers.Dense(units, "relu")(keras.layers.Concatenate()(parts))
    # They are in another order than the targets.
    outputs = {"kind": keras.layers.Dense(1, "sigmoid")(hidden), "size": keras.layers.Dense(1)(hidden)}
    model = keras.Model(inputs, outputs)
    model.compile("adam", {"size": "mse", "kind": "binary_crossentropy"})
    return model
"""

HEADS = """
import keras


def build(units, *, input_shape, normalizer):
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(units, "relu")(normalizer(inputs))
    outputs = [keras.layers.Dense(1, {activation}, name=name)(hidden) for name in {names}]
    model = keras.Model(inputs, outputs)
    model.compile("adam", [{loss}] * 2)
    return model
"""


ONE = """
import keras


def build(units, *, input_shape, normalizer):
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(units, "relu")(normalizer(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    model.compile("adam", {loss})
    return model
"""


def ran(folder, plan):
    assert sweep.run(plan, folder / "out", in_process=True, show=False).exit_code == 0
    return results.open(folder / "out")


@pytest.fixture(scope="module")
def of_arrays(tmp_path_factory):
    """A run on two inputs and two targets, and the rows."""
    folder = tmp_path_factory.mktemp("arrays")
    chance = np.random.default_rng(1)
    x = {"left": 5 + chance.normal(size=(60, 3)), "right": chance.normal(size=(60, 4, 2))}
    size = x["left"][:, 0] + x["right"][:, 1, 1]
    arrays = {f"x/{name}": array for name, array in x.items()}
    arrays |= {"y/size": size, "y/kind": (size > 5).astype(int)}
    np.savez(folder / "data.npz", **arrays)
    plan = written(folder, numbers(), BRANCHES, data={"path": "data.npz"}, space={"units": [4]})
    return ran(folder, plan), x


def of_table(folder, names, activation="None", loss="'mse'", **data):
    """A run on a table with two targets, an output for each."""
    table = numbers(80).assign(z=lambda t: t["a"] * t["b"], kind=np.resize(["p", "q"], 80))
    if data:
        table = table.assign(y=table["y"] > 0, z=table["z"] > 0)
    builder = HEADS.format(names=names, activation=activation, loss=loss)
    return ran(
        folder, written(folder, table, builder, data={"target": ["y", "z"], **data}, space={"units": [4]})
    ), table


def test_arrays_are_taken_by_the_names_of_the_inputs(of_arrays):
    run, x = of_arrays
    model = run.model(0, trust=True)
    expected = model.predict({name: array.astype("float32") for name, array in x.items()}, verbose=0)
    found = run.predict(0, dict(reversed(x.items())), trust=True)
    for name in ("size", "kind"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
    # The state of the normalizers is kept, so the sweep's rows are not needed.
    assert np.abs(expected["size"]).max() < 100


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda x: {"left": x["left"], "up": 1},
            ["no array 'right'", "'up' is no input", "left (rows, 3), right (rows, 4, 2)"],
        ),
        (lambda x: {**x, "left": x["left"][:, :2]}, ["'left' has the shape (60, 2)"]),
        (lambda x: {**x, "left": x["left"][:9]}, ["9 (left), 60 (right) rows"]),
        (lambda x: {**x, "left": [["a"]] * 60}, ["'left' is no array of numbers"]),
        (
            lambda x: x["left"],
            ["is ndarray, but the model has several inputs", "left of the shape (rows, 3)"],
        ),
        (
            lambda x: pd.DataFrame(x["left"]),
            ["a table of named columns cannot be used", "right of the shape (rows, 4, 2)"],
        ),
    ],
)
def test_what_does_not_fit_the_inputs_is_one_message(of_arrays, change, words):
    run, x = of_arrays
    with pytest.raises(InputError) as error:
        run.predict(0, change(x), trust=True)
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize("with_targets", [False, True])
def test_the_command_takes_the_arrays_of_a_file_and_names_the_targets(of_arrays, tmp_path, with_targets):
    run, x = of_arrays
    targets = {"y/size": np.zeros(60), "y/kind": np.resize([0, 1], 60)} if with_targets else {}
    np.savez(tmp_path / "new.npz", **{f"x/{name}": array for name, array in x.items()}, **targets)
    made = command("predict", run.folder.path, 0, tmp_path / "new.npz", "--trust")
    assert made.exit_code == 0, made.output
    table = pd.read_csv(io.StringIO(made.stdout))
    expected = run.predict(0, x, trust=True)
    assert list(table) == ["size", "kind"]
    for name in table:
        np.testing.assert_allclose(table[name], expected[name][:, 0], rtol=1e-5)
    np.savez(tmp_path / "less.npz", **{"x/left": x["left"]})
    assert "no array 'right'" in refused("predict", run.folder.path, 0, tmp_path / "less.npz", "--trust")


def test_the_export_of_several_inputs_has_their_shapes_and_no_preprocessing(of_arrays, tmp_path):
    run, _ = of_arrays
    said = refused("export", run.folder.path, 0, tmp_path / "m.keras", "--with-preprocessing", "--trust")
    assert "The sweep was run on arrays, which are not preprocessed" in said
    export(run, 0, tmp_path / "m.keras", trust=True)
    card = (tmp_path / "m.keras.card.md").read_text()
    assert (
        "- Inputs: a dictionary of float32 arrays, `left` of the shape (rows, 3), `right` of the shape (rows, 4, 2)\n"
        in card
    )
    assert "['size'] is `size`, ['kind'] is `kind`" in card


def test_the_outputs_of_a_table_are_named_by_their_targets(tmp_path):
    run, table = of_table(tmp_path, ["z", "y"])
    x = table[["a", "b", "c", "kind"]]
    features = np.column_stack([x[["a", "b", "c"]], x["kind"] == "p", x["kind"] == "q"]).astype("float32")
    z, y = run.predict(0, features, trust=True)
    found = run.predict(0, x, trust=True)
    assert list(found) == ["y", "z"]
    np.testing.assert_allclose(found, np.hstack([y, z]), rtol=1e-5)
    x.to_csv(tmp_path / "new.csv", index=False)
    made = command("predict", run.folder.path, 0, tmp_path / "new.csv", "--trust")
    np.testing.assert_allclose(pd.read_csv(io.StringIO(made.stdout)), found, rtol=1e-5)

    export(run, 0, tmp_path / "m.keras", trust=True, preprocessing=True)
    raw = {name: x[name].to_numpy()[:, None] for name in x}
    raw = {name: array.astype(object if name == "kind" else "float32") for name, array in raw.items()}
    model = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(
        np.hstack(model.predict(as_tensors(raw), verbose=0)), np.hstack([z, y]), rtol=1e-4
    )
    assert "[1] is `y`, [0] is `z`" in (tmp_path / "m.keras.card.md").read_text()


def test_answers_of_several_outputs_are_labels_and_probabilities(tmp_path):
    loss = "keras.losses.BinaryCrossentropy(from_logits=True)"
    run, table = of_table(tmp_path, ["z", "y"], loss=loss, task="multilabel")
    x = table[["a", "b", "c", "kind"]]
    found = run.predict(0, x, trust=True)
    assert list(found) == ["y", "z", "p_y", "p_z"]
    features = np.column_stack([x[["a", "b", "c"]], x["kind"] == "p", x["kind"] == "q"]).astype("float32")
    logits = np.hstack(run.predict(0, features, trust=True))[:, ::-1]
    np.testing.assert_allclose(found[["p_y", "p_z"]], 1 / (1 + np.exp(-logits)), rtol=1e-4)
    np.testing.assert_array_equal(found[["y", "z"]], (logits > 0).astype(int))

    export(run, 0, tmp_path / "m.keras", trust=True)
    [code] = re.findall("```python\n(.*?)```", (tmp_path / "m.keras.card.md").read_text(), re.S)
    names = {"model": run.model(0, trust=True), "x": features}
    exec(code, names)
    assert names["labels"] == [[name for name in ("y", "z") if row[name]] for _, row in found.iterrows()]


@pytest.mark.parametrize("loss", ["keras.losses.BinaryCrossentropy(from_logits=True)", "'hinge'"])
@pytest.mark.parametrize("preprocessing", [False, True])
def test_the_code_of_the_card_gives_the_labels_of_the_prediction(tmp_path, loss, preprocessing):
    table = numbers(80).assign(y=lambda t: np.where(t["y"] > 0, "yes", "no"))
    run = ran(tmp_path, written(tmp_path, table, ONE.format(loss=loss), space={"units": [4]}))
    x = table[["a", "b", "c"]]
    export(run, 0, tmp_path / "m.keras", trust=True, preprocessing=preprocessing)
    [code] = re.findall("```python\n(.*?)```", (tmp_path / "m.keras.card.md").read_text(), re.S)
    raw = {name: x[[name]].to_numpy("float32") for name in x} if preprocessing else x.to_numpy("float32")
    names = {"model": keras.saving.load_model(tmp_path / "m.keras", compile=False), "x": raw}
    exec(code, names)
    expected = run.predict(0, x, trust=True)["y"].tolist()
    assert names["labels"] == expected and len({*expected}) == 2


class Branches(keras.Model):
    """A model that returns a dictionary, and does not tell its outputs before it is called."""

    def __init__(self):
        super().__init__()
        self.b, self.a = keras.layers.Dense(1), keras.layers.Dense(1)

    def call(self, x):
        return {"b": self.b(x), "a": self.a(x)}


LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)


@pytest.mark.parametrize(
    ("loss", "are_logits"),
    [
        (LOGITS, (True, True)),
        (keras.losses.BinaryCrossentropy(), (False, False)),
        ("binary_crossentropy", (False, False)),
        ({"a": LOGITS, "b": "binary_crossentropy"}, (True, False)),
        ({"a": "binary_crossentropy", "b": LOGITS}, (False, True)),
        (["binary_crossentropy", LOGITS], (False, True)),
    ],
)
def test_a_subclassed_model_has_a_loss_for_all_outputs_or_one_for_each(loss, are_logits):
    prepared = Preparation("multilabel", ("a", "b"), ("a", "b"), (2,), None, (), ())
    model = Branches()
    model.compile("sgd", loss)
    outputs = model.predict(np.random.default_rng(0).normal(size=(20, 2)), verbose=0)
    frame, _ = named(outputs, model, prepared)
    for name, logits in zip("ab", are_logits, strict=True):
        expected = expit(outputs[name]) if logits else outputs[name]
        column = next(found for found in (f"p_{name}", f"score_{name}", name) if found in frame)
        np.testing.assert_allclose(frame[column], expected[:, 0], rtol=1e-5)


def test_the_command_says_what_to_know_of_arrays_as_of_a_table(tmp_path):
    loss = "keras.losses.BinaryCrossentropy(from_logits=True)"
    run, table = of_table(tmp_path, ["y", "z"], loss=loss, task="multilabel")
    x = table[["a", "b", "c", "kind"]]
    features = np.column_stack([x[["a", "b", "c"]], x["kind"] == "p", x["kind"] == "q"]).astype("float32")
    np.savez(tmp_path / "new.npz", x=features)
    x.to_csv(tmp_path / "new.csv", index=False)
    of_rows, of_arrays = (
        json.loads(command("predict", run.folder.path, 0, tmp_path / name, "--trust", "--json").stdout)
        for name in ("new.csv", "new.npz")
    )
    assert "from_logits=True" in of_arrays["notes"][0] and of_arrays["notes"] == of_rows["notes"]


@pytest.mark.parametrize(
    ("loss", "labels", "columns", "said"),
    [
        (
            "keras.losses.BinaryCrossentropy(from_logits=True)",
            ["no", "yes"],
            ["y", "p_no", "p_yes"],
            "from_logits",
        ),
        ("'hinge'", ["no", "yes"], ["y", "score_yes"], "are no probabilities"),
        ("'mse'", [0, 1], ["y"], None),
        ("'mse'", None, ["y"], None),
    ],
)
def test_arrays_of_one_output_are_told_as_a_table_is(tmp_path, loss, labels, columns, said):
    table = numbers(80)
    if labels:
        table = table.assign(y=np.where(table["y"] > 0, labels[1], labels[0]))
    run = ran(tmp_path, written(tmp_path, table, ONE.format(loss=loss), space={"units": [4]}))
    x = table[["a", "b", "c"]]
    np.savez(tmp_path / "new.npz", x=x.to_numpy("float32"))
    x.to_csv(tmp_path / "new.csv", index=False)
    of_rows, of_arrays = (
        json.loads(command("predict", run.folder.path, 0, tmp_path / name, "--trust", "--json").stdout)
        for name in ("new.csv", "new.npz")
    )
    assert of_arrays["columns"] == of_rows["columns"] == columns and of_arrays["notes"] == of_rows["notes"]
    assert [said in note for note in of_rows["notes"]] == [True] if said else of_rows["notes"] == []
    pd.testing.assert_frame_equal(
        *(pd.DataFrame(one["predictions"]) for one in (of_arrays, of_rows)), rtol=1e-5
    )


def test_a_regressor_of_two_outputs_does_not_mix_rows_and_targets():
    def build(units, input_shape):
        inputs = keras.Input(input_shape)
        hidden = keras.layers.Dense(units, "relu")(inputs)
        model = keras.Model(inputs, [keras.layers.Dense(1)(hidden) for _ in range(2)])
        model.compile(keras.optimizers.Adam(0.05), "mse")
        return model

    from sweep.python.estimator import KerasSweepRegressor

    x = np.random.default_rng(0).normal(size=(200, 2)).astype("float32")
    y = np.column_stack([x[:, 0] * 2, 50 + x[:, 1]]).astype("float32")
    searched = KerasSweepRegressor(build, {"units": [8]}, epochs=60).fit(x, y)
    found = searched.predict(x)
    assert (searched.best_estimator_.table(x).columns == ["y0", "y1"]).all()
    assert found.shape == (200, 2)
    assert np.corrcoef(found[:, 0], y[:, 0])[0, 1] > 0.9 and np.abs(found[:, 0]).max() < 15
