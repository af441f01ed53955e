"""What training changes in a model, and whether its first loss is that of a member."""

import keras
import numpy as np
import pytest

from tests.help.cohorts import engine_of
from trainables.fused.compose.members import Members, Split
from trainables.fused.compose.tryout import changed_by_training, trains_alike


def test_moving_means_are_assigned_to_and_rows_of_a_table_have_sparse_gradients():
    inputs = keras.Input((2,), dtype="int32")
    table = keras.layers.Embedding(4, 3)
    x = keras.layers.BatchNormalization()(keras.layers.Flatten()(table(inputs)))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    assigned, sparse = changed_by_training(model, np.array([[0, 1], [2, 3]], "int32"))
    names = [model.non_trainable_variables[place].path.split("/")[-1] for place in assigned]
    assert sorted(names) == ["moving_mean", "moving_variance"]
    assert [model.trainable_variables[place] is table.embeddings for place in sparse] == [True]


@pytest.fixture(scope="module")
def group():
    """Some points of a builder with a weight of its own in a layer, their members and a batch."""
    engine = engine_of("custom_layer")
    points = np.arange(len(engine.space))
    while isinstance(
        found := engine.composer.compose([engine.space[int(idx)] for idx in points], engine.training.fit),
        Split,
    ):
        points = points[found.parts[0]]
    assert isinstance(found, Members) and len(points) > 1
    batch = engine.table.x_train[:32], engine.table.y_train[:32]
    return engine, [engine.space[int(idx)] for idx in points], found, batch


def test_the_loss_of_a_model_is_that_of_its_member_and_of_no_other(group):
    engine, configs, members, batch = group
    model = engine.composer._builds.build(configs[0])
    member = members.stack.take(np.array([0]))
    assert trains_alike(model, members.template, member, batch)
    member.weights[:] *= 1.001
    assert not trains_alike(model, members.template, member, batch)
