"""Code that does something else after more steps than a proof has: in a branch, in evaluation, or on what falls."""

import keras
from keras import ops

from tests.help.truth.models import compiled, hidden


class Warm(keras.optimizers.SGD):
    """Averages the squares of the gradients until some step, and not after it."""

    def __init__(self, learning_rate=0.01, delay=10):
        super().__init__(learning_rate)
        self.delay = delay

    def build(self, variables):
        """Make the average."""
        super().build(variables)
        self.average = self.add_variable((), name="average")

    def update_step(self, gradient, variable, learning_rate):
        """Step by less where gradients are large."""
        new = 0.9 * self.average + 0.1 * ops.mean(ops.square(gradient))

        def keep():
            self.assign(self.average, new)

        ops.cond(self.iterations < self.delay, keep, lambda: None)
        super().update_step(gradient, variable, learning_rate / (1 + ops.sqrt(self.average)))


def in_a_branch(delay, rate, *, input_shape, normalizer):
    """An assignment in a branch that all steps of a proof take."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), Warm(rate, delay))
