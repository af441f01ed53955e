"""Optimizers of users, and those of Keras that are easily got wrong."""

import keras
from keras import ops

from tests.help.truth.models import compiled, hidden


class Centralized(keras.optimizers.SGD):
    """Takes the mean out of each gradient of a matrix, in a method that only `fit` calls."""

    def apply_gradients(self, grads_and_vars):
        """Apply the gradients without their means."""
        return super().apply_gradients(
            [
                (g - ops.mean(g, 0, keepdims=True) if len(v.shape) == 2 and v.shape[1] > 1 else g, v)
                for g, v in grads_and_vars
            ]
        )


def centralized(momentum, rate, *, input_shape, normalizer):
    """Overrides `apply_gradients`."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), Centralized(rate, momentum=momentum))


class Signed(keras.optimizers.SGD):
    """May take the sign of the gradient; its configuration does not know that."""

    def __init__(self, learning_rate=0.01, sign=False, **given):
        super().__init__(learning_rate, **given)
        self.sign = sign

    def update_step(self, gradient, variable, learning_rate):
        """Update by the sign of the gradient."""
        super().update_step(0.2 * ops.sign(gradient) if self.sign else gradient, variable, learning_rate)


def signed(sign, rate, *, input_shape, normalizer):
    """Has an argument that `get_config` lacks."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), Signed(rate, sign))


class Lookahead(keras.optimizers.SGD):
    """Every fourth step goes half way back to where the weights were four steps before."""

    def build(self, variables):
        """Keep a copy of the weights."""
        if not self.built:
            super().build(variables)
            self._before = [
                self.add_variable_from_reference(v, name="before", initializer="zeros") for v in variables
            ]
            for before, variable in zip(self._before, variables, strict=True):
                before.assign(variable)

    def update_step(self, gradient, variable, learning_rate):
        """Step, and go half way back if it is time."""
        super().update_step(gradient, variable, learning_rate)
        before = self._before[self._get_variable_index(variable)]
        is_time = ops.equal((self.iterations + 1) % 4, 0)
        self.assign(variable, ops.where(is_time, (before + variable) / 2, variable))
        self.assign(before, ops.where(is_time, variable, before))


def lookahead(init, rate, *, input_shape, normalizer):
    """Starts with slots that depend on the initial weights."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs), kernel_initializer=init), Lookahead(rate))


def schedule_free(init, rate, *, input_shape, normalizer):
    """Keras' own optimizer of this kind."""
    inputs = keras.Input(input_shape)
    return compiled(
        inputs, hidden(normalizer(inputs), kernel_initializer=init), keras.optimizers.ScheduleFreeAdamW(rate)
    )


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Rises over some steps; its configuration lacks their number."""

    def __init__(self, rate=0.01, steps=5):
        self.rate, self._steps = rate, steps

    def __call__(self, step):
        """Return the rate of a step."""
        return self.rate * ops.minimum(1.0, (ops.cast(step, "float32") + 1) / self._steps)

    def get_config(self):
        """Return the configuration, which is incomplete."""
        return {"rate": self.rate}


def own_schedule(warmup, rate, *, input_shape, normalizer):
    """A schedule class that is not registered with Keras."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(Warmup(rate, warmup)))


def beta(beta, rate, *, input_shape, normalizer):
    """1 - beta_2 is small."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate, beta_2=beta))


def stopped(units, rate, *, input_shape, normalizer):
    """Weights without a gradient, which Keras leaves out of a decay that the few steps of a proof do not show."""
    inputs = keras.Input(input_shape)
    x = ops.stop_gradient(hidden(normalizer(inputs), 16, "tanh"))
    return compiled(inputs, hidden(x, units), keras.optimizers.AdamW(rate / 20))


def stopping(x):
    """An activation that passes no gradient on."""
    return ops.tanh(ops.stop_gradient(x))


def stopped_by_activation(activation, rate, *, input_shape, normalizer):
    """Weights without a gradient in some of the points, and a constraint that Keras does not apply there."""
    inputs = keras.Input(input_shape)
    given = {"stopping": stopping}.get(activation, activation)
    limit = keras.constraints.MaxNorm(0.5)
    x = hidden(normalizer(inputs), activation=given, kernel_constraint=limit)
    return compiled(inputs, x, keras.optimizers.SGD(rate))
