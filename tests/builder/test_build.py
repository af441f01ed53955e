"""Models as the user's builder makes them, and the arguments of `Model.fit`, against Keras itself."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras.src.trainers.data_adapters.array_slicing import train_validation_split

from trainables.builder import build as models
from trainables.builder import find as builders
from trainables.settings import Fit
from trainables.table.data import Table

SOURCE = """
import keras


def build(units, rate=0.1, answer="model", input_shape=None, normalizer=None):
    if answer == "raises":
        raise RuntimeError("no")
    if answer == "number":
        return 5
    if answer == "layer":
        return keras.layers.Dense(units)
    model = keras.Sequential([keras.Input(input_shape), normalizer, keras.layers.Dense(units)])
    if answer != "uncompiled":
        optimizer = None if answer == "no optimizer" else keras.optimizers.SGD(rate)
        model.compile(loss="mse", optimizer=optimizer)
    return model


def own_batches(units, batch_size=7, shuffle=True):
    pass


def anything(units, **others):
    pass


def of_classes(units, outputs, classes):
    pass


def with_default(units, outputs=9):
    pass


def taking_one(units, normalizer):
    normalizer.pop("a")
    return plain(units)


def taking_apart(blocks, normalizer):
    outputs = inputs = keras.Input((3,))
    outputs = normalizer(outputs)
    while blocks:
        block = blocks.pop(0)
        while block:
            outputs = keras.layers.Dense(block.pop(0))(outputs)
    model = keras.Model(inputs, outputs)
    model.compile(loss="mse")
    return model


def plain(units):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
    model.compile(loss="mse")
    return model
"""
CHANCE = np.random.default_rng(3)
X = CHANCE.normal(2, 3, size=(40, 3)).astype("float32")
TABLE = Table(X, X[:, 0], X[:5], X[:5, 0], ("a", "b", "c"), "d", "0")


@pytest.fixture(scope="module")
def find(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a folder é")
    (folder / "model.py").write_text(SOURCE)
    return lambda name: builders.find(f"model.py:{name}", folder)


@pytest.fixture(scope="module")
def build(find):
    builder = find("build")
    function = builder.load()

    def made(seed=0, adapted=None, **config):
        return models.build(function, builder, {"units": 2, **config}, TABLE, seed, adapted)

    return made


CONFIG = {"units": 2, "batch_size": 16, "shuffle": False, "validation_split": 0.4}


@pytest.mark.parametrize(
    ("name", "given_to_fit"),
    [
        ("plain", {"batch_size", "shuffle", "validation_split"}),
        ("own_batches", {"validation_split"}),
        ("anything", {"batch_size", "shuffle", "validation_split"}),  # **kwargs get what fit has no use for
    ],
)
def test_an_axis_goes_to_the_builder_or_to_fit(find, name, given_to_fit):
    builder, plans = find(name), Fit(epochs=9, batch_size=50, validation_split=0.1)
    fit, axes = models.fit_of(CONFIG, builder, plans), models.builder_axes(CONFIG, builder)
    assert vars(fit) == {**vars(plans), **{axis: CONFIG[axis] for axis in given_to_fit}}
    assert axes == {axis: value for axis, value in CONFIG.items() if axis not in given_to_fit}


def test_a_builder_may_take_its_lists_apart(find):
    builder, config = find("taking_apart"), {"blocks": [[3, 2], [1]]}
    for _ in range(2):
        model = models.build(builder.load(), builder, config, TABLE, 0)
        assert [layer.units for layer in model.layers[2:]] == [3, 2, 1]
    assert config == {"blocks": [[3, 2], [1]]}


def test_a_builder_may_take_the_layers_of_several_inputs(find):
    """They are shared by the models of one engine."""
    builder = find("taking_one")
    layers = {name: keras.layers.Normalization() for name in "ab"}
    for _ in range(2):
        models.build(builder.load(), builder, {"units": 1}, TABLE, 0, layers)
    assert sorted(layers) == ["a", "b"]


def test_without_such_axes_fit_is_the_plans(find):
    plans = Fit(epochs=9, shuffle=False)
    assert models.fit_of({"units": 2}, find("plain"), plans) == plans


# Shares and numbers of rows whose product is whole, but for its rounding; and a share that rounds to none.
@given(
    st.one_of(st.sampled_from([10, 20, 50, 100]), st.integers(1, 10**5)),
    st.one_of(st.sampled_from([0.1, 0.2, 0.3, 0.7, 0.8, 0.9, 1e-17]), st.floats(1e-9, 1 - 1e-9)),
)
def test_rows_are_split_as_by_keras(rows, share):
    column = np.zeros((rows, 1), np.float32)
    table, fit = (
        Table(column, column[:, 0], column, column[:, 0], ("a",), "b", "0"),
        Fit(validation_split=share),
    )
    try:
        (fitted,), _ = train_validation_split((column,), share)
    except ValueError:
        with pytest.raises(ValueError, match="both parts need at least one"):
            models.fitted_rows(fit, table)
    else:
        assert models.fitted_rows(fit, table) == len(fitted)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_validation_rows_of_the_table_come_before_a_share(share):
    fit = Fit(validation_split=share)
    assert models.fitted_rows(fit, replace(TABLE, validation=13)) == 27
    for rows in (0, 40, 41):
        with pytest.raises(ValueError, match="validation rows among 40 train rows"):
            models.fitted_rows(fit, replace(TABLE, validation=rows))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (1, [])),
        ({"task": "binary", "classes": ("no", "yes")}, (1, ["no", "yes"])),
        ({"task": "multiclass", "classes": (1, 2, 5)}, (3, [1, 2, 5])),
        ({"task": "multilabel", "y_train": X[:, :2]}, (2, [])),
    ],
)
def test_outputs_and_classes_are_supplied_if_nothing_else_gives_them(find, changes, expected):
    table, given = replace(TABLE, **changes), {}

    def function(**named):
        given.update(named)
        raise StopIteration

    def asked(name, **config):
        with pytest.raises(StopIteration):
            models.build(function, find(name), {"units": 2, **config}, table, 0)
        return dict(given)

    assert asked("of_classes") == {"units": 2, "outputs": expected[0], "classes": expected[1]}
    assert asked("of_classes", outputs=7) == {"units": 2, "outputs": 7, "classes": expected[1]}
    given.clear()
    assert asked("with_default") == {"units": 2}


def test_the_layer_supplied_is_adapted_on_all_train_rows():
    scaled = keras.ops.convert_to_numpy(models.normalizer(TABLE)(X))
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(0), 1, atol=1e-5)


def test_a_builder_gets_what_it_asks_for_and_no_more(find, build):
    model = build()
    assert model.input_shape == (None, 3)
    np.testing.assert_allclose(model.layers[0].mean, X.mean(0, keepdims=True), rtol=1e-5)
    mine = models.normalizer(TABLE)
    assert build(adapted=mine).layers[0] is mine
    plain = find("plain")
    assert models.build(plain.load(), plain, {**CONFIG, "units": 4}, TABLE, 0).output_shape == (None, 4)


def test_weights_are_the_seeds_alone(build):
    first, again, other = build(seed=3), build(seed=3), build(seed=4)
    kernels = [model.layers[1].get_weights()[0] for model in (first, again, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])
    # Whatever was built before, the names are the same: nothing is left in Keras' global state.
    assert [weight.path for weight in first.weights] == [weight.path for weight in other.weights]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("number", "The builder returned int, but must return a compiled Keras model"),
        ("layer", "The builder returned Dense, but must"),
        ("uncompiled", r"a model that is not compiled\. Call model\.compile"),
        ("no optimizer", r"a model that is not compiled\. Call model\.compile"),
    ],
)
def test_what_is_no_compiled_model_is_refused(build, answer, message):
    with pytest.raises(TypeError, match=message):
        build(answer=answer)


def test_what_the_builder_raises_is_passed_on(build):
    with pytest.raises(RuntimeError, match="no"):
        build(answer="raises")
