"""Composed models are those that the builder makes, also where its axes act together.

The points here are few. So the tests say in which way they are grouped: by a study, or each from its own description.
"""

from pathlib import Path

import keras
import numpy as np
import pytest

from results.space import Space
from tests.help.cohorts import small_table
from trainables.builder import find
from trainables.fused.compose import few, members
from trainables.fused.compose.groups import partition
from trainables.fused.compose.interactions import Interactions
from trainables.fused.compose.learned import Learned
from trainables.fused.compose.members import Composer, Members, Refused
from trainables.fused.compose.points import Points
from trainables.fused.compose.split import Split
from trainables.fused.internals.errors import UnfusableError
from trainables.fused.model.describe import describe
from trainables.settings import Fit

pytestmark = pytest.mark.long(30)

TABLE = small_table()
FIT = Fit(epochs=3, batch_size=32)


@pytest.fixture
def study(monkeypatch):
    """No points are few."""
    monkeypatch.setattr(few, "FEW", 0)


@pytest.fixture(params=["study", "each"])
def way(request, monkeypatch):
    monkeypatch.setattr(few, "FEW", 0 if request.param == "study" else 10**6)
    monkeypatch.setattr(few, "CERTAIN", 10**6)


def friendly(units=3, rate=0.1, l2=0.0, init="he_normal", optimizer="sgd", momentum=0.0):
    """Axes that act each for itself, but for the momentum, which only one optimizer has."""
    keras_optimizer = (
        keras.optimizers.SGD(rate, momentum=momentum) if optimizer == "sgd" else keras.optimizers.Adam(rate)
    )
    return _compiled(units, l2, init, "relu", keras_optimizer)


def entangled(activation="relu", rate=0.1, optimizer="sgd", scale=1.0, l2=0.0):
    """The initializer follows the activation; the optimizer scales the rate; the penalty is a product of two axes."""
    init = "lecun_normal" if activation == "selu" else "he_normal"
    kind = keras.optimizers.SGD(rate * 10) if optimizer == "sgd" else keras.optimizers.Adam(rate)
    return _compiled(3, l2 * scale, init, activation, kind)


def moody(units=3, rate=0.1, mood="fine"):
    """Raises for one value of an axis, and leaves another uncompiled."""
    if mood == "raises":
        raise RuntimeError("not today")
    model = _compiled(units, 0.0, "he_normal", "relu", keras.optimizers.SGD(rate))
    return keras.Model(model.inputs, model.outputs) if mood == "uncompiled" else model


def hidden(units=3, width=2, depth=1, rate=0.1):
    """The second width counts only if there is a second layer, which the first point has not."""
    inputs = keras.Input((10,))
    x = keras.layers.Dense(units)(inputs)
    if depth == 2:
        x = keras.layers.Dense(width)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(rate))
    return model


def _compiled(units, l2, init, activation, optimizer):
    inputs = keras.Input((10,))
    x = keras.layers.Dense(
        units, activation=activation, kernel_initializer=init, kernel_regularizer=keras.regularizers.L2(l2)
    )(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(loss="mse", metrics=["mae"], optimizer=optimizer)
    return model


def composer_of(name):
    builder = find.find(f"{__file__}:{name}", Path.cwd())
    return Composer(builder.load(), builder, TABLE, 0)


def compose_all(composer, space):
    """Return the groups of the whole space: points and what they are."""
    waiting, found = [np.arange(len(space))], []
    while waiting:
        part = waiting.pop()
        one = composer.compose(Points.of(space, part), FIT)
        if isinstance(one, Split):
            assert len(one.parts) > 1 and sum(map(len, one.parts)) == len(part)
            waiting += [part[rows] for rows in one.parts]
        else:
            found.append((part, one))
    assert sorted(np.concatenate([part for part, _ in found])) == list(range(len(space)))
    return found


def assert_as_built(composer, space, part, group):
    """Compare every point of a group with the model that the builder makes for it alone."""
    template, stack = group.template, group.stack
    for row, idx in enumerate(part.tolist()):
        model = composer._builds.build(space[idx])
        alone = describe(model)
        count = len(model.trainable_variables)
        np.testing.assert_array_equal(
            stack.weights[row], np.concatenate([a.ravel() for a in alone.initial[:count]])
        )
        lifted = dict(zip(template.keys, stack.numbers[row], strict=True))
        for key, value in alone.numbers.items():
            given = lifted.get(key, template.constants.get(key))
            assert np.float32(given) == np.float32(value), (space[idx], key)
        assert type(model.optimizer) is type(template.optimizers[stack.optimizer[row]].optimizer)
        functions = [
            getattr(layer, "activation", None) for layer in template.variants[stack.variant[row]].layers
        ]
        assert [getattr(layer, "activation", None) for layer in model.layers] == functions


@pytest.mark.parametrize(
    ("name", "axes", "most_groups"),
    [
        (
            "friendly",
            {
                "rate": [0.1, 0.2],
                "l2": [0.0, 0.1],
                "init": ["he_normal", "glorot_normal"],
                "optimizer": ["sgd", "adam"],
            },
            1,
        ),
        ("friendly", {"units": [3, 4], "rate": [0.1, 0.2]}, 2),
        # The base is Adam, on which the momentum does nothing.
        ("friendly", {"momentum": [0.5, 0.9], "optimizer": ["adam", "sgd"], "rate": [0.1, 0.2]}, 1),
        (
            "entangled",
            {"activation": ["relu", "selu", "tanh"], "rate": [0.1, 0.2], "optimizer": ["sgd", "adam"]},
            1,
        ),
        ("entangled", {"scale": [1.0, 2.0, 3.0], "l2": [0.0, 0.1, 0.2], "rate": [0.1, 0.2]}, 9),
        ("hidden", {"depth": [1, 2], "width": [2, 3], "rate": [0.1, 0.2]}, 3),
    ],
)
def test_every_point_is_composed_as_built(name, axes, most_groups, way):
    composer, space = composer_of(name), Space(axes)
    found = compose_all(composer, space)
    assert len(found) <= most_groups
    for part, group in found:
        assert isinstance(group, Members), group
        assert_as_built(composer, space, part, group)


def test_an_interaction_that_no_single_axis_shows_is_found_by_the_study_of_the_sweep(study):
    """Without it, the momentum of the points with SGD would be lost."""
    space = Space({"momentum": [0.5, 0.9], "optimizer": ["adam", "sgd"]})
    composer = composer_of("friendly")
    found = composer.compose(Points.of(space, range(4)), FIT)
    assert isinstance(found, Members)
    assert_as_built(composer, space, np.arange(4), found)
    assert ("optimizer.momentum", frozenset({"momentum", "optimizer"})) in composer.known.sets


def test_members_find_what_the_study_of_the_sweep_does_not_know(study, monkeypatch):
    monkeypatch.setattr(members, "CHECKED", 4)
    composer, space = composer_of("friendly"), Space({"momentum": [0.5, 0.9], "optimizer": ["adam", "sgd"]})
    composer.know(Learned(Interactions()))
    found = composer.compose(Points.of(space, range(4)), FIT)
    assert_as_built(composer, space, np.arange(4), found)


def test_a_value_that_raises_is_left_out_and_the_others_are_one_group(way):
    composer, space = (
        composer_of("moody"),
        Space({"mood": ["raises", "fine", "uncompiled"], "rate": [0.1, 0.2]}),
    )
    found = compose_all(composer, space)
    kinds = {space[int(idx)]["mood"]: one for part, one in found for idx in part}
    assert isinstance(kinds["fine"], Members)
    assert (
        isinstance(kinds["raises"], Refused)
        and kinds["raises"].why == "building and describing it raised RuntimeError: not today"
    )
    assert isinstance(kinds["uncompiled"], Refused)


def shapeless(units=3, rate=0.1):
    """Its layer cannot be built; Keras says why in the middle of its message."""
    inputs = keras.Input((10,))
    return keras.Model(inputs, keras.layers.Reshape((units,))(inputs))


def test_the_cause_of_what_cannot_be_built_is_told(way):
    composer, space = composer_of("shapeless"), Space({"rate": [0.1, 0.2]})
    [(_, found)] = compose_all(composer, space)
    assert isinstance(found, Refused)
    assert found.why == (
        "building and describing it raised ValueError: The total size of the tensor must be unchanged. Received: "
        "input_shape=(10,), target_shape=(3,)"
    )


def test_arguments_of_fit_divide_first(way):
    composer, space = composer_of("friendly"), Space({"batch_size": [16, 32], "rate": [0.1, 0.2]})
    found = composer.compose(Points.of(space, range(4)), FIT)
    assert isinstance(found, Split) and [part.tolist() for part in found.parts] == [[0, 1], [2, 3]]
    # Otherwise two workers would compose the groups of the same models at once, and build each model twice.
    assert found.costs[0] > found.costs[1]


def test_the_costliest_part_is_known(way):
    composer, space = composer_of("friendly"), Space({"units": [3, 30], "rate": [0.1, 0.2]})
    found = composer.compose(Points.of(space, range(4)), FIT)
    assert isinstance(found, Split)
    large = [space[int(part[0])]["units"] for part in found.parts].index(30)
    assert found.costs[large] == max(found.costs) > min(found.costs)


def test_no_model_is_built_twice_and_few_are_built(study):
    composer = composer_of("friendly")
    inits = ["he_normal", "he_uniform", "glorot_normal", "glorot_uniform"]
    axes = {
        "rate": [0.1, 0.2, 0.3, 0.4],
        "l2": [0.0, 0.1, 0.2, 0.3],
        "init": inits,
        "optimizer": ["sgd", "adam"],
    }
    built = []
    build = composer._builds.build
    composer._builds.build = lambda config: built.append(str(config)) or build(config)
    assert isinstance(composer.compose(Points.of(Space(axes), range(128)), FIT), Members)
    # The base, which is the template, each other value alone, the pairs of values, and the members that are checked.
    assert len(set(built)) == len(built) <= 1 + 3 + 3 + 3 + 1 + 24 + members.CHECKED


def test_partition_tells_the_groups_of_a_plan(way):
    composer, space = (
        composer_of("moody"),
        Space({"mood": ["raises", "fine"], "rate": [0.1, 0.2], "units": [2, 3]}),
    )
    found = list(partition(composer, space, np.arange(8), FIT))
    assert sorted((len(group.points), group.why) for group in found) == [
        (2, ""),
        (2, ""),
        (4, "building and describing it raised RuntimeError: not today"),
    ]


def embedded(regularizer=None, rate=0.1):
    """A table of which each row of the batch takes one: without a regularizer its gradient is sparse."""
    inputs = keras.Input((10,))
    index = keras.ops.cast(inputs[:, -1], "int32")
    table = keras.layers.Embedding(4, 3, embeddings_regularizer=regularizer)(index)
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Concatenate()([inputs, table])))
    model.compile(loss="mse", optimizer=keras.optimizers.Adam(rate))
    return model


def test_tables_with_a_regularizer_and_without_are_apart(way):
    """Without, the gradient is sparse, and Keras' optimizers square the parts of it one by one."""
    composer, space = composer_of("embedded"), Space({"rate": [0.1, 0.2], "regularizer": [None, "l2"]})
    found = composer.compose(Points.of(space, range(4)), FIT)
    assert isinstance(found, Split) and sorted(map(len, found.parts)) == [2, 2]
    assert all(isinstance(composer.compose(Points.of(space, part), FIT), Members) for part in found.parts)


class Table(keras.layers.Layer):
    def __init__(self, rows_regularizer=None):
        super().__init__()
        self.rows = self.add_weight(shape=(4, 3), regularizer=rows_regularizer)

    def call(self, index):
        return keras.ops.take(self.rows, index, axis=0)


def own_table(rate=0.1, regularizer=None):
    inputs = keras.Input((10,))
    table = Table(regularizer)(keras.ops.cast(inputs[:, -1], "int32"))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Concatenate()([inputs, table])))
    model.compile(loss="mse", optimizer=keras.optimizers.Adam(rate))
    return model


def test_a_table_of_the_user_s_own_that_some_regularize_is_refused(way):
    composer, space = composer_of("own_table"), Space({"rate": [0.1, 0.2], "regularizer": [None, "l2"]})
    with pytest.raises(UnfusableError, match="sparse gradient has different regularizers"):
        composer.compose(Points.of(space, range(4)), FIT)
    assert isinstance(composer.compose(Points.of(space, [0, 2]), FIT), Members)
