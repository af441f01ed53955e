"""What code may assign to while a program is traced."""

import keras
import pytest
import tensorflow as tf
from keras import ops

from trainables.fused.internals.errors import UnfusableError
from trainables.fused.internals.updates import watched


def traced(assign, fixed=()):
    """Trace a function that assigns in a stateless scope."""

    def run(value):
        with watched(fixed), keras.StatelessScope([(variable, value) for variable in fixed]):
            assign(value)

    tf.function(run, autograph=False).get_concrete_function(tf.constant(1.0))


@pytest.fixture
def count():
    return keras.Variable(0.0, trainable=False)


def in_a_branch(count, value):
    ops.cond(value > 0, lambda: [count.assign(value), None][1], lambda: None)


def in_a_loop(count, value):
    ops.while_loop(lambda n: n < 3, lambda n: [n + 1, count.assign(value)][:1], [tf.constant(0)])


def in_a_function(count, value):
    tf.function(lambda: [count.assign(value), None][1], autograph=False)()


@pytest.mark.parametrize("assign", [in_a_branch, in_a_loop, in_a_function])
def test_an_assignment_in_a_graph_of_its_own_is_refused(assign, count):
    with pytest.raises(UnfusableError, match="inside a branch, a loop"):
        traced(lambda value: assign(count, value))


def test_other_assignments_are_noted_as_by_keras(count):
    traced(lambda value: count.assign(ops.where(value > 0, value, count)))
    with watched(), keras.StatelessScope() as scope:
        in_a_branch(count, tf.constant(2.0))  # without a graph, the branch alone is run
    assert scope.get_current_value(count) == 2.0 and count.numpy() == 0.0


def test_an_assignment_that_nobody_would_take_is_refused(count):
    with pytest.raises(UnfusableError, match="where a program would not keep that"):
        traced(lambda value: count.assign(value + 1), [count])


def test_nothing_is_watched_after_the_block(count):
    plain = keras.StatelessScope.add_update
    with pytest.raises(UnfusableError), watched([count]), keras.StatelessScope():
        count.assign(1.0)
    assert keras.StatelessScope.add_update is plain
