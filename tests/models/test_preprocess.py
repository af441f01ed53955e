"""An exported model of raw columns predicts what `run.predict` predicts, for any rows."""

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from sweep.errors import InputError
from sweep.models import preparation
from sweep.models.preparation import Preparation
from sweep.models.preprocess import as_tensors, card_lines, checked_recipe, raw_inputs, with_preprocessing
from sweep.models.save import export
from sweep.plan.plan import Plan
from tests.help.commands import refused
from tests.help.predictions import write_mixed_table
from trainables.table.recipe import Column, Recipe

pytestmark = pytest.mark.long(40)


def rows_with_everything(folder):
    frame = write_mixed_table(folder / "rows.csv").drop(columns="grade")
    frame.loc[[0, 5], "kind"] = "new"
    frame.loc[[1, 5], "floor"] = 9
    frame.loc[5, "b"] = np.nan
    return frame


@pytest.mark.filterwarnings("ignore:The column:UserWarning")
def test_the_file_predicts_what_the_run_predicts(run, tmp_path):
    answer = export(run, 1, tmp_path / "my.keras", trust=True, preprocessing=True)
    model = keras.saving.load_model(answer["model"], safe_mode=True)
    frame = rows_with_everything(tmp_path)
    recipe = preparation.of_run(run.folder, Plan.load(run.folder.plan)).recipe
    raw = raw_inputs(recipe.checked(frame, "rows"), recipe)
    assert set(raw) == {"a", "b", "kind", "floor"}
    expected = run.predict(1, frame, trust=True).filter(like="p_")
    np.testing.assert_allclose(model.predict(as_tensors(raw), verbose=0), expected, atol=1e-6)
    # as the README says it: plain arrays, without this software
    plain = {
        "a": frame[["a"]].to_numpy("float32"),
        "b": frame[["b"]].to_numpy("float32"),
        "kind": frame[["kind"]].fillna("").to_numpy("str"),
        "floor": frame[["floor"]].astype(str).to_numpy("str"),
    }
    np.testing.assert_allclose(
        model({key: keras.ops.convert_to_tensor(v) for key, v in plain.items()}), expected, atol=1e-6
    )
    card = (tmp_path / "my.keras.card.md").read_text()
    assert "| kind | onehot | x, y, é, \\\\ | become" in card and "| floor | ordinal | 1, 2, 3 |" in card
    assert "the code 3" in card and "all indicators are 0" in card and "high, low, mid" in card
    assert "--with-preprocessing" in card


def network(features, loss="mse", activation=None, outputs=1):
    model = keras.Sequential([keras.Input((features,)), keras.layers.Dense(outputs, activation=activation)])
    model.compile("sgd", loss)
    return model


NUMBER = Column("n/1", "number", fill=0.3, indicates_gaps=True)


@pytest.mark.parametrize(
    "columns",
    [
        (Column("a b", "number"),),
        (NUMBER,),
        (Column("k", "onehot", ("x", "y"), "x", True),),
        (Column("k", "onehot", ("x", "y", "z"), "y"), NUMBER),
        (Column("k", "onehot", ("only",), "only", True),),
        (Column("k", "onehot", ("[UNK]", "", "y")),),
        (Column("k", "ordinal", ("1", "2"), "2", True), Column("l", "ordinal", ("u", "v", "w"))),
        (NUMBER, Column("k", "gaps", (), "only", True), Column("n", "gaps", (), 2.0, True)),
        (NUMBER, Column("k", "onehot", tuple(map(str, range(50))), "7", True), Column("features", "number")),
    ],
)
def test_every_kind_of_column_is_as_its_recipe(columns):
    recipe = Recipe(columns, ("y",))
    prepared = Preparation("regression", (), ("y",), (len(recipe.features),), recipe, (), ())
    wrapped = with_preprocessing(
        network(len(recipe.features)), prepared
    )  # it compares itself with the recipe
    assert wrapped.output_shape == (None, 1)


def test_what_differs_is_noticed(monkeypatch):
    from sweep.models import preprocess

    recipe = Recipe((Column("k", "onehot", ("x", "y"), "y"),), ("y",))
    prepared = Preparation("regression", (), ("y",), (2,), recipe, (), ())
    encoded = preprocess._encoded
    monkeypatch.setattr(preprocess, "_encoded", lambda *given: 1 - encoded(*given))
    with pytest.raises(InputError, match="give other predictions"):
        with_preprocessing(network(2), prepared)


def test_logits_become_probabilities():
    recipe = Recipe((Column("a", "number"),), ("y",), ("no", "yes"))
    prepared = Preparation("binary", ("no", "yes"), ("y",), (1,), recipe, (), ())
    inner = network(1, keras.losses.BinaryCrossentropy(from_logits=True))
    x = np.linspace(-3, 3, 9, dtype="float32")[:, None]
    found = with_preprocessing(inner, prepared)({"a": x})
    np.testing.assert_allclose(found, keras.ops.sigmoid(inner(x)), rtol=1e-6)


LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)


@pytest.mark.parametrize(
    ("activation", "loss"),
    [
        ("sigmoid", {"b": LOGITS, "a": "binary_crossentropy"}),
        ("relu", ["binary_crossentropy", LOGITS]),  # Keras gives them to a and b, in the order of the names
    ],
)
def test_each_of_several_outputs_gets_its_own_link(activation, loss):
    recipe = Recipe((Column("n", "number"),), ("a", "b"))
    prepared = Preparation("multilabel", ("a", "b"), ("a", "b"), (1,), recipe, (), ())
    inputs = keras.Input((1,))
    b, a = keras.layers.Dense(1), keras.layers.Dense(1, activation)
    inner = keras.Model(inputs, {"b": b(inputs), "a": a(inputs)})
    inner.compile("sgd", loss)
    x = np.linspace(-3, 3, 9, dtype="float32")[:, None]
    wrapped = with_preprocessing(inner, prepared)
    found, raw = wrapped({"n": x}), inner(x)
    np.testing.assert_allclose(found["a"], raw["a"], rtol=1e-6)
    np.testing.assert_allclose(found["b"], expit(raw["b"]), rtol=1e-6)
    assert list(found) == list(wrapped.output) == ["b", "a"]
    y = {name: (x > 0).astype("float32") for name in ("a", "b")}
    expected = keras.losses.BinaryCrossentropy()(y["b"], found["b"])
    inner.compile("sgd", loss)
    assert inner.evaluate(x, y, verbose=0, return_dict=True)["b_loss"] == pytest.approx(
        float(expected), rel=1e-4
    )


def test_what_layers_cannot_do_is_refused(run, tmp_path):
    hashed = Recipe((Column("k", "hash", ()), Column("a", "number")), ("y",))
    with pytest.raises(InputError, match=r"'k' are hashed .* without --with-preprocessing"):
        checked_recipe(Preparation("regression", (), ("y",), (33,), hashed, (), ()))
    with pytest.raises(InputError, match="run on arrays"):
        checked_recipe(Preparation("regression", (), ("y",), (33,), None, (), ()))
    empty = Recipe((Column("k", "onehot", ("", "x"), "x"),), ("y",))
    with pytest.raises(InputError, match="the empty text as a category"):
        checked_recipe(Preparation("regression", (), ("y",), (2,), empty, (), ()))
    words = [
        "export",
        str(run.folder.path),
        "0",
        str(tmp_path / "a.weights.h5"),
        "--trust",
        "--format",
        "weights",
    ]
    assert "--format weights has no meaning" in refused(*words, "--with-preprocessing")
    assert not list(tmp_path.iterdir())


def test_the_card_says_which_texts_the_model_does_not_take_as_the_command_does():
    recipe = Recipe((Column("k", "onehot", ("x", "y"), "x"), NUMBER), ("y",))
    prepared = Preparation("regression", (), ("y",), (4,), recipe, (), ())
    text = "\n".join(card_lines(prepared, str, ["?", "-999"]))
    assert "'?', '-999' meant gaps: give NaN, or the empty text, instead." in text
    assert "leaves out blanks around texts; this model does not" in text
    assert "meant gaps" not in "\n".join(card_lines(prepared, str))


def test_numbers_are_encoded_like_the_array():
    recipe = Recipe((NUMBER,), ("y",))
    frame = pd.DataFrame({"n/1": [1.5, np.nan]})
    raw = raw_inputs(recipe.checked(frame, "rows"), recipe)["n/1"]
    assert raw.dtype == np.float32 and raw.shape == (2, 1) and np.isnan(raw[1, 0])
