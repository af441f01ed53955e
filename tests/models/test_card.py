"""The card tells what goes in and what comes out, and its code turns outputs into labels."""

import re

import keras
import numpy as np
import pytest

import results
from sweep.models import card as module
from sweep.models.card import card
from tests.help.exports import make_run
from tests.help.outputs import model_of
from trainables.table.data import Table

LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)


def table(task, y, **changes):
    x = np.random.default_rng(3).normal(size=(30, 3)).astype("float32")
    y = np.asarray(y(x), "float32")
    given = {
        "groups": {"kind": (1, 2)},
        "notes": ("Gaps in a are filled with its median, 3 < 4.",),
        **changes,
    }
    return Table(x[:20], y[:20], x[20:], y[20:], ("a", "kind_x", "kind_`y`"), "y", "", task=task, **given)


def made(small_run, model, data, about=()):
    run = results.open(small_run)
    row = run.points.set_index("idx").loc[1]
    return card(run, 1, small_run / "m.keras", "keras", {"MAE": float(row["MAE_te"])}, model, data, about)


def labels(text, model, x):
    """Run the card's code."""
    [code] = re.findall("```python\n(.*?)```", text, re.S)
    names = {"model": model, "x": x}
    exec(code, names)
    return names["labels"]


@pytest.mark.parametrize(
    ("loss", "activation", "about", "what", "level"),
    [
        (keras.losses.BinaryCrossentropy(), "sigmoid", [], "probabilities", 0.5),
        (LOGITS, None, [], "logits", 0),
        (LOGITS, None, ["a table"], "probabilities", 0.5),  # the file with the preprocessing has a sigmoid
        ("hinge", None, [], "scores, which are no probabilities", 0),
        ("squared_hinge", "tanh", ["a table"], "scores, which are no probabilities", 0),
        ("hinge", "sigmoid", [], "probabilities", 0.5),
    ],
)
def test_two_classes(small_run, loss, activation, about, what, level):
    keras.utils.set_random_seed(1)
    model = model_of(loss, 1, activation)
    data = table("binary", lambda x: x[:, 0] > 0, classes=("``` ill", "well"), targets=("state",))
    text = made(small_run, model, data, about)
    assert "- Task: binary; target: `state`" in text
    assert "- Classes, in the order of their codes: `` ``` ill ``, `well`" in text
    assert f"- Outputs: {what}, one for each row, of the class `well`" in text
    p = model.predict(data.x_test, verbose=0)[:, 0]
    expected = ["well" if value > level else "``` ill" for value in p]
    assert labels(text, model, data.x_test) == expected and 0.0 < np.mean(p > level) < 1.0


def test_several_classes(small_run):
    model = model_of("sparse_categorical_crossentropy", 3, "softmax")
    data = table("multiclass", lambda x: np.digitize(x[:, 0], [-0.5, 0.5]), classes=(4, np.int64(5), "six"))
    text = made(small_run, model, data)
    assert "`4`, `5`, `six`" in text and "one for each class, in this order" in text
    codes = model.predict(data.x_test, verbose=0).argmax(1)
    assert labels(text, model, data.x_test) == [(4, 5, "six")[code] for code in codes]


def test_answers(small_run):
    model = model_of("binary_crossentropy", 2, "sigmoid")
    data = table("multilabel", lambda x: x[:, :2] > 0, targets=("wet", "cold"))
    text = made(small_run, model, data)
    assert "Answers, in the order of the outputs: `wet`, `cold`" in text
    p = model.predict(data.x_test, verbose=0)
    assert labels(text, model, data.x_test) == [
        [name for name, value in zip(("wet", "cold"), row, strict=True) if value > 0.5] for row in p
    ]


@pytest.mark.parametrize("about", [[], ["a table"]])
def test_each_answer_of_several_outputs_has_its_own_rule(small_run, about):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((3,))
    outputs = [keras.layers.Dense(1)(inputs), keras.layers.Dense(1, "sigmoid")(inputs)]
    model = keras.Model(inputs, outputs)
    model.compile("sgd", [LOGITS, "binary_crossentropy"])
    data = table("multilabel", lambda x: x[:, :2] > 0, targets=("wet", "cold"))
    text = made(small_run, model, data, about)
    what = "probabilities" if about else "logits of `wet`, probabilities of `cold`"
    assert f"- Outputs: {what}, one for each answer" in text
    raw = np.hstack(model.predict(data.x_test, verbose=0))
    expected = [
        [
            name
            for name, value, level in zip(("wet", "cold"), row, (0.5 if about else 0, 0.5), strict=True)
            if value > level
        ]
        for row in raw
    ]
    assert labels(text, model, data.x_test) == expected and raw[:, 0].min() < 0.5


def test_numbers_need_no_labels(small_run):
    text = made(small_run, model_of("mse", 1), table("regression", lambda x: x[:, 0]))
    assert "- Task: regression; target: `y`" in text and "```" not in text


def test_features_are_in_order_with_their_encodings(small_run, monkeypatch):
    data = table("regression", lambda x: x[:, 0])
    text = made(small_run, model_of("mse", 1), data)
    assert "shape (rows, 3); the features in this order: `a`, `kind_x`, `` kind_`y` ``" in text
    assert (
        "- `kind` is encoded as indicators, of which one is 1 and the others are 0: `kind_x`, `` kind_`y` ``"
        in text
    )
    assert "- Gaps in a are filled with its median, 3 &lt; 4." in text
    monkeypatch.setattr(module, "MOST_FEATURES", 1)
    assert "`a`, and 2 more" in made(small_run, model_of("mse", 1), data)


def test_a_model_with_preprocessing_takes_the_raw_columns(small_run):
    data = table("binary", lambda x: x[:, 0] > 0, classes=("no", "yes"))
    text = made(small_run, model_of("binary_crossentropy", 1, "sigmoid"), data, about=["a table"])
    assert "# x: the raw columns, see below" in text and "Inputs: the raw columns of the table below" in text
    assert "float32, shape (rows" not in text


def test_what_is_not_sure_is_said(small_run):
    data = table("binary", lambda x: x[:, 0] > 0, classes=("no", "yes"))
    text = made(small_run, model_of("binary_crossentropy", 1), data)
    assert "probabilities (by the loss; the last activation is neither a sigmoid nor a softmax)" in text
    text = made(small_run, model_of("hinge", 1), table("regression", lambda x: x[:, 0]))
    assert "- Task: regression" in text and "a loss for classification" in text


def test_the_shape_of_arrays_without_names_of_features(small_run):
    images = np.zeros((9, 4, 4, 1), "float32")
    data = Table(images, images[:, 0, 0, 0], images, images[:, 0, 0, 0], (), "y", "", task="regression")
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert "- Inputs: float32, shape (rows, 4, 4, 1)\n" in made(small_run, model, data)


def test_whole_numbers_are_whole_beside_points_that_failed(tmp_path):
    rows = [
        {"idx": 0, "best_epoch": 2, "params": 1234567},
        {"idx": 1, "status": "failed", "epochs": 0, "seed": None, "error": "no"},
    ]
    run = make_run(tmp_path / "run", {"units": [1, 2]}, rows)
    data = table("regression", lambda x: x[:, 0])
    text = card(run, 0, tmp_path / "m.keras", "keras", {"MAE": 1.0}, model_of("mse", 1), data)
    assert "its best epoch (2 of 3)." in text
    assert "seed 0; trained by: keras; parameters: 1234567\n" in text
