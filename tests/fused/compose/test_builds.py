"""Models of one builder: what a builder changes of its normalizer or of settings is a change of that model alone."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.help.native import small_table
from trainables.builder import build as module
from trainables.builder import find
from trainables.builder.maker import Maker
from trainables.fused.compose.builds import Builds
from trainables.fused.model.describe import Described

CHANGES = {
    "nothing": lambda layer: None,
    "mean": lambda layer: setattr(layer, "mean", layer.mean + 1.0),
    "adapt": lambda layer: layer.adapt(np.arange(12, dtype="float32").reshape(4, 3)),
    "assign": lambda layer: layer.adapt_variance.assign([4.0, 5.0, 6.0]),
    "trainable": lambda layer: setattr(layer, "trainable", False),
    "invert": lambda layer: setattr(layer, "invert", True),
    "own": lambda layer: setattr(layer, "strength", 0.5),
}


def build(change, *, normalizer):
    CHANGES[change](normalizer)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(normalizer(inputs)))
    model.compile("sgd", "mse")
    return model


def state(model):
    layer = model.layers[1]
    assert isinstance(layer, keras.layers.Normalization)
    arrays = [np.asarray(part) for part in (layer.mean, layer.variance, *layer.get_weights())]
    return [array.tolist() for array in arrays], layer.trainable, layer.invert, hasattr(layer, "strength")


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_change_of_the_normalizer_is_in_its_model_only(change):
    builder, table = find.find(f"{__file__}:build", Path.cwd()), small_table()
    builds = Builds(builder.load(), builder, table, 0, 60.0)
    before, changed, after = (builds.build({"change": one}) for one in ("nothing", change, "nothing"))
    plain = {
        one: module.build(builder.load(), builder, {"change": one}, table, 0) for one in ("nothing", change)
    }
    assert state(before) == state(after) == state(plain["nothing"])
    assert state(changed) == state(plain[change])
    is_shared = before.layers[1] is changed.layers[1]
    assert is_shared == (change == "nothing") and (state(changed) == state(before)) == is_shared


def ending(rate, *, normalizer):
    """Turns the answer back into the target's units by a second layer of the class of the normalizer."""
    back = keras.layers.Normalization(mean=1.0, variance=4.0, invert=True)
    model = keras.Sequential([keras.Input((3,)), normalizer, keras.layers.Dense(1), back])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


def test_layers_have_the_names_that_a_new_normalizer_leaves_them():
    builder, table = find.find(f"{__file__}:ending", Path.cwd()), small_table()
    maker = Maker(builder, 0)
    builds = Builds(maker, builder, table, 0, 60.0)
    plain = [layer.name for layer in module.build(maker, builder, {"rate": 0.1}, table, 0).layers]
    for rate in (0.1, 0.2):
        found = builds.describe({"rate": rate})
        assert isinstance(found, Described), found
        assert [layer.name for layer in builds.fresh({"rate": rate}).layers] == plain


@pytest.fixture
def kept_settings(monkeypatch):
    """Puts back what `setting` sets."""
    monkeypatch.delenv("LEAST", raising=False)
    before = keras.config.epsilon()
    yield
    keras.config.set_epsilon(before)
    os.environ.pop("LEAST", None)


def setting(epsilon=1e-7, variable=None):
    keras.config.set_epsilon(epsilon)
    if variable:
        os.environ["LEAST"] = variable
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("one", "other"), [({"epsilon": 1e-2}, {"epsilon": 1e-4}), ({"variable": None}, {"variable": "5"})]
)
def test_a_described_model_is_handed_out_under_the_settings_of_its_builder(one, other, kept_settings):
    """A program is traced under the settings that hold then."""
    builder, built = find.find(f"{__file__}:setting", Path.cwd()), []
    builds = Builds(Maker(builder, 0), builder, small_table(), 0, 60.0)
    really = builds.build
    builds.build = lambda config: built.append(config) or really(config)
    builds.describe(one)
    settings = keras.config.epsilon(), os.environ.get("LEAST")
    builds.describe(other)
    assert settings != (keras.config.epsilon(), os.environ.get("LEAST"))
    assert builds.fresh(one) is not None
    assert settings == (keras.config.epsilon(), os.environ.get("LEAST"))
    assert built == [one, other, one]


def test_a_described_model_is_not_built_again_if_no_setting_has_changed():
    builder, built = find.find(f"{__file__}:build", Path.cwd()), []
    builds = Builds(Maker(builder, 0), builder, small_table(), 0, 60.0)
    really = builds.build
    builds.build = lambda config: built.append(config) or really(config)
    configs = [{"change": "nothing"}, {"change": "trainable"}]
    for config in configs:
        builds.describe(config)
    for config in configs:
        builds.fresh(config)
    assert built == configs
