"""The updates against Keras' optimizers themselves, step by step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainables.fused.internals import kernels
from trainables.fused.internals.errors import UnfusableError
from trainables.fused.program.optimizers import Update, Updates, flat, split


def without_decay(optimizer, *names):
    optimizer.exclude_from_weight_decay(var_names=list(names))
    return optimizer


class Centred(keras.optimizers.SGD):
    """Takes the mean from each column of a matrix's gradient."""

    def apply_gradients(self, grads_and_vars):
        return super().apply_gradients(
            [(g - keras.ops.mean(g, 0) if len(v.shape) == 2 else g, v) for g, v in grads_and_vars]
        )


class Halving(keras.optimizers.SGD):
    def apply(self, grads, trainable_variables=None):
        return super().apply([g / 2 for g in grads], trainable_variables)


class Signed(keras.optimizers.SGD):
    """Has an argument of its own that its configuration lacks, under a private name."""

    def __init__(self, learning_rate, *, sign):
        super().__init__(learning_rate)
        self._sign = sign

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(keras.ops.sign(gradient) if self._sign else gradient, variable, learning_rate)


class Lookahead(keras.optimizers.SGD):
    """Starts slow weights from the weights."""

    def build(self, variables):
        super().build(variables)
        for variable in variables:
            self.add_variable_from_reference(variable, name="slow").assign(variable)


class FromOnes(keras.optimizers.SGD):
    """Assigns a constant in `build`."""

    def build(self, variables):
        super().build(variables)
        for variable in variables:
            slot = self.add_variable_from_reference(variable, name="slot")
            slot.assign(keras.ops.ones(variable.shape))


class Counting(keras.optimizers.SGD):
    """Fills a list of the constructor with variables, without the methods for that."""

    def __init__(self, learning_rate):
        super().__init__(learning_rate)
        self.sums = []

    def build(self, variables):
        super().build(variables)
        for variable in variables:
            self.sums.append(keras.Variable("zeros", variable.shape))

    def update_step(self, gradient, variable, learning_rate):
        total = self.sums[self._get_variable_index(variable)]
        self.assign_add(total, gradient)
        super().update_step(total, variable, learning_rate)


class Rising(keras.optimizers.schedules.LearningRateSchedule):
    """Is not registered with Keras and has no configuration."""

    def __init__(self, peak):
        self._peak = peak

    def __call__(self, step):
        return self._peak * keras.ops.minimum(keras.ops.cast(step + 1, "float32") / 4, 1.0)


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "nesterov": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "adamax": lambda: keras.optimizers.Adamax(0.01),
    "nadam": lambda: keras.optimizers.Nadam(0.01),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1, initial_accumulator_value=0.2),
    "adadelta": lambda: keras.optimizers.Adadelta(1.0),
    "ftrl": lambda: keras.optimizers.Ftrl(0.1, l1_regularization_strength=0.01),
    "lion": lambda: keras.optimizers.Lion(0.01),
    "adafactor": lambda: keras.optimizers.Adafactor(0.1),
    "lamb": lambda: keras.optimizers.Lamb(0.01),
    "none_decays": lambda: without_decay(keras.optimizers.AdamW(0.01, weight_decay=0.5), "kernel", "bias"),
    "lamb_but_biases": lambda: without_decay(keras.optimizers.Lamb(0.01, weight_decay=0.5), "bias"),
    "own_gradients": lambda: Centred(0.1, momentum=0.5),
    "own_apply": lambda: Halving(0.1),
    "own_step": lambda: Signed(0.1, sign=True),
    "own_list": lambda: Counting(0.1),
    "own_schedule": lambda: keras.optimizers.Adam(Rising(0.1)),
    "clipnorm": lambda: keras.optimizers.Adam(0.01, clipnorm=0.1),
    "global_clipnorm": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1),
    "clipvalue": lambda: keras.optimizers.SGD(0.1, clipvalue=0.05),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
}


def model_of(optimizer, constraint=None):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(3, kernel_constraint=constraint), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(loss="mse", optimizer=optimizer)
    return model


def gradients(step, model):
    chance = np.random.default_rng(step)
    return [tf.constant(chance.normal(size=v.shape).astype("float32")) for v in model.trainable_variables]


def sparse(step, model):
    """Gradients of which the first has parts that meet in one row, as the rows of an Embedding's do."""
    chance, [_, *dense] = np.random.default_rng(step + 100), gradients(step, model)
    values, rows = chance.normal(size=(6, 3)).astype("float32"), chance.integers(0, 4, 6)
    return [tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([4, 3])), *dense]


def by_keras(model, steps, gradients=gradients):
    for step in range(steps):
        model.optimizer.apply_gradients(zip(gradients(step, model), model.trainable_variables, strict=True))
    return np.concatenate([v.numpy().ravel() for v in model.trainable_variables])


def by_update(model, steps, update, rate=0.0, gradients=gradients, **numbers):
    weights = flat([tf.constant(v.numpy()) for v in model.trainable_variables])
    slots = [tf.constant(slot) for slot in update.slots]
    lifted = {
        "learning_rate": tf.constant(rate),
        **{f"optimizer.{k}": tf.constant(v) for k, v in numbers.items()},
    }
    for step in range(steps):
        iterations = tf.constant(step, tf.int64)
        weights, slots = update.apply(gradients(step, model), weights, slots, iterations, lifted)
    return weights.numpy()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_five_steps_are_those_of_keras(name):
    model = model_of(OPTIMIZERS[name]())
    update = Update(model)
    rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    ours = by_update(model, 5, update, rate)
    # The same float32 operations, on one vector instead of several.
    np.testing.assert_allclose(ours, by_keras(model, 5), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_sparse_gradients_are_taken_as_by_keras_or_refused(name):
    model = model_of(OPTIMIZERS[name]())
    update = Update(model)
    rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    try:
        with kernels.fast():
            ours = by_update(model, 5, update, rate, sparse)
    except UnfusableError:
        assert not update.is_flat or update.clips
    else:
        np.testing.assert_allclose(ours, by_keras(model, 5, sparse), rtol=2e-5, atol=2e-6)


def test_numbers_of_the_lane_take_the_place_of_the_optimizer_s():
    update = Update(model_of(keras.optimizers.Adam(0.5, beta_1=0.1, clipnorm=9.0)))
    model = model_of(keras.optimizers.Adam(0.01, beta_1=0.8, clipnorm=0.2))
    ours = by_update(model, 4, update, 0.01, beta_1=0.8, clipnorm=0.2)
    np.testing.assert_allclose(ours, by_keras(model, 4), rtol=2e-5, atol=2e-6)


def test_constraints_hold_and_excluded_weights_do_not_decay():
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model = model_of(optimizer, constraint=keras.constraints.MaxNorm(0.3))
    ours = by_update(model, 4, Update(model), 0.1)
    np.testing.assert_allclose(ours, by_keras(model, 4), rtol=2e-5, atol=2e-6)
    kernel = split(ours, model.trainable_variables)[0]
    assert np.linalg.norm(kernel, axis=0).max() <= 0.3 + 1e-6


class Drawing(keras.optimizers.SGD):
    def build(self, variables):
        super().build(variables)
        self.noise = self.add_optimizer_variables(variables, "noise", initializer="random_normal")


class Ending(keras.optimizers.SGD):
    def finalize_variable_values(self, var_list):
        pass


@pytest.mark.parametrize(
    ("optimizer", "why"),
    [
        (Drawing(0.1), "Drawing starts from the weights, or draws"),
        (Lookahead(0.1), "Lookahead starts from the weights"),
        (FromOnes(0.1), "the build of the optimizer FromOnes assigns"),
        (Ending(0.1), "Ending has a finalize_variable_values of its own"),
    ],
)
def test_an_optimizer_that_no_lane_can_have_is_refused(optimizer, why):
    with pytest.raises(UnfusableError, match=why):
        Update(model_of(optimizer))


def test_an_optimizer_that_the_builder_has_built_is_refused():
    model = model_of(keras.optimizers.SGD(0.1))
    model.optimizer.build(model.trainable_variables)
    with pytest.raises(UnfusableError, match="has built the optimizer SGD already"):
        Update(model)


class Slowing(keras.optimizers.SGD):
    """Makes its learning rate smaller with each step."""

    def apply(self, grads, trainable_variables=None):
        super().apply(grads, trainable_variables)
        self.learning_rate.assign(0.9 * self.learning_rate)


def test_an_optimizer_that_changes_its_learning_rate_is_refused():
    model = model_of(Slowing(0.1))
    update = Update(model)
    with pytest.raises(UnfusableError, match="learning_rate, where a program would not keep that"):
        by_update(model, 1, update, 0.1)


def test_a_copied_optimizer_shares_no_list_with_the_user_s():
    model = model_of(Counting(0.1))
    Update(model)
    assert model.optimizer.sums == [] and len(model.optimizer.variables) == 2


@pytest.mark.parametrize("beta", [0.9, 0.999, 0.99999, 0.9999999])
def test_a_beta_close_to_one_loses_no_digit(beta):
    update = Update(model_of(keras.optimizers.Adam(0.5, beta_2=0.5)))
    model = model_of(keras.optimizers.Adam(0.01, beta_2=beta))
    numbers = {"beta_2": beta, "beta_2.complement": 1 - beta}
    ours = by_update(model, 1, update, 0.01, **numbers)
    np.testing.assert_allclose(ours, by_keras(model, 1), rtol=1e-6)


def test_slots_of_several_optimizers_are_shared_and_one_is_followed():
    names = ("adam", "sgd", "adagrad")
    models = [model_of(OPTIMIZERS[name]()) for name in names]
    shared = Updates([Update(model) for model in models])
    assert len(shared.shapes) == 3  # Adam with amsgrad has three of one shape; the others need fewer
    slots = shared.initial(np.array([0, 1, 2]))
    for number, model in enumerate(models):
        weights = flat([tf.constant(v.numpy()) for v in model.trainable_variables])
        lane = [tf.constant(slot[number]) for slot in slots]
        rate = {
            "learning_rate": tf.constant(float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))
        }
        for step in range(3):
            weights, lane = shared.apply(
                tf.constant(number),
                gradients(step, model),
                weights,
                lane,
                tf.constant(step, tf.int64),
                rate,
            )
        np.testing.assert_allclose(weights, by_keras(model, 3), rtol=2e-5, atol=2e-6)
