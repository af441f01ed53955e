"""What training changes in a model, and whether its first step is that of a member."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.help.cohorts import engine_of
from trainables.fused.compose.members import Members, Split
from trainables.fused.compose.points import Points
from trainables.fused.compose.tryout import changed_by_training, trains_alike
from trainables.fused.internals import kernels


def test_moving_means_are_assigned_to_and_rows_of_a_table_have_sparse_gradients():
    inputs = keras.Input((2,), dtype="int32")
    table = keras.layers.Embedding(4, 3)
    x = keras.layers.BatchNormalization()(keras.layers.Flatten()(table(inputs)))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    assigned, sparse = changed_by_training(model, np.array([[0, 1], [2, 3]], "int32"))
    names = [model.non_trainable_variables[position].path.split("/")[-1] for position in assigned]
    assert sorted(names) == ["moving_mean", "moving_variance"]
    assert [model.trainable_variables[position] is table.embeddings for position in sparse] == [True]


class Group:
    """Some points of a builder, their members and a batch."""

    def __init__(self, name):
        self.engine = engine_of(name)
        points = np.arange(len(self.engine.space))
        while isinstance(found := self.compose(points), Split):
            points = points[found.parts[0]]
        assert isinstance(found, Members) and len(points) > 1
        self.points, self.members = points, found
        self.batch = self.engine.table.x_train[:32], self.engine.table.y_train[:32]

    def compose(self, points):
        return self.engine.composer.compose(Points.of(self.engine.space, points), self.engine.training.fit)

    def member(self, row=0):
        return self.members.stack.take(np.array([row]))

    def is_alike(self, member, step=True):
        """Compare the first point's model with any member."""
        model = self.engine.composer._builds.build(self.engine.space[int(self.points[0])])
        return trains_alike(model, self.members.template, member, self.batch, step)


@pytest.fixture(scope="module")
def group():
    """Of a layer that has a weight of its own."""
    return Group("custom_layer")


@pytest.fixture(scope="module")
def optimizers():
    """Of several optimizers."""
    return Group("several_metrics")


@pytest.mark.parametrize("step", [False, True])
def test_a_model_is_trained_as_its_member_and_as_no_other(group, step):
    member = group.member()
    assert group.is_alike(member, step)
    member.weights[:] *= 1.01
    assert not group.is_alike(member, step)


@pytest.mark.parametrize("change", ["rate", "optimizer"])
def test_another_optimizer_is_seen_in_the_whole_step_only(optimizers, change):
    member = optimizers.member()
    if change == "rate":
        member.numbers[0, 0] *= 1.01
    else:
        others = np.unique(optimizers.members.stack.optimizer)
        member.optimizer[:] = others[others != member.optimizer[0]][0]
    assert optimizers.is_alike(member, step=False)
    assert not optimizers.is_alike(member)


def test_the_member_goes_through_the_kernels_that_train_it(group, monkeypatch):
    """A kernel with a wrong loss, and one with a right loss and a wrong gradient."""
    monkeypatch.setattr(kernels, "_product", lambda a, b: tf.matmul(a, b) * 1.01)
    assert not group.is_alike(group.member(), step=False)

    @tf.custom_gradient
    def product(a, b):
        return tf.matmul(a, b), lambda up: (
            tf.matmul(up, b, transpose_b=True),
            1.1 * tf.matmul(a, up, transpose_a=True),
        )

    monkeypatch.setattr(kernels, "_product", product)
    assert group.is_alike(group.member(), step=False)
    assert not group.is_alike(group.member())
