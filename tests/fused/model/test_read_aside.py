"""What a builder sets on parts of Keras' own classes counts if users' code names it, and so do activations that it reads."""

import keras
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from tests.help import each_class
from trainables.fused.internals.errors import UnfusableError
from trainables.fused.internals.models import layers_of
from trainables.fused.model.describe import describe, kind_of
from trainables.fused.model.extras import extras_of
from trainables.fused.model.tokens import token


class Freezing(keras.optimizers.SGD):
    """Reads from each weight when it is trained, which `fit` gives it as a variable of TensorFlow."""

    def update_step(self, gradient, variable, learning_rate):
        on = ops.cast(self.iterations < getattr(variable, "freeze_at", 1000), gradient.dtype)
        super().update_step(gradient * on, variable, learning_rate)


def of_part(read):
    """Return what makes a loss that reads from a model by a function."""
    return lambda model: lambda y, p: ops.abs(y - p) * read(model)


def model_of(set_up, value, optimizer="sgd", loss=lambda model: "mse", activation="linear"):
    """Return a compiled model, changed by `set_up(model, value)`."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    x = keras.layers.BatchNormalization()(keras.layers.Dense(4)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1, activation=activation)(x))
    set_up(model, value)
    model.compile(optimizer if isinstance(optimizer, str) else optimizer(0.1), loss(model))
    return model


def on_weights(name):
    def set_up(model, value):
        for variable in model.trainable_variables:
            setattr(variable, name, value)

    return set_up


def on_layer(model, value):
    model.layers[1].strength = value


def variable_of_model(model, value):
    model.beta = tf.Variable(value)


def function_of_layer(model, value):
    """An attribute that is a function, which names a further one."""
    model.layers[1].strength = lambda: model.layers[2].share
    model.layers[2].share = value


READ = [
    (on_weights("share"), "sgd", of_part(lambda model: model.trainable_variables[0].share)),
    (on_layer, "sgd", of_part(lambda model: model.layers[1].strength)),
    (on_layer, "sgd", of_part(lambda model: getattr(model.layers[1], "stren" + "gth"))),
    (on_layer, "sgd", of_part(lambda model: vars(model.layers[1])["strength"])),
    (variable_of_model, "sgd", of_part(lambda model: model.beta)),
    (function_of_layer, "sgd", of_part(lambda model: model.layers[1].strength())),
]


@pytest.mark.parametrize(("set_up", "optimizer", "loss"), READ)
def test_what_a_builder_sets_on_parts_of_keras_counts_if_code_reads_it(set_up, optimizer, loss):
    one, same, other = (describe(model_of(set_up, value, optimizer, loss)) for value in (1.0, 1.0, 2.0))
    assert one.signature == same.signature != other.signature


def test_a_brief_proof_is_none_for_another_attribute():
    """Programs of one kind share a full proof."""
    loss = of_part(lambda model: model.layers[1].strength)
    one, same, other = (kind_of(model_of(on_layer, value, loss=loss)) for value in (1.0, 1.0, 2.0))
    assert one == same != other


@pytest.mark.parametrize(
    "loss", [lambda model: "mse", lambda model: lambda y, p: ops.abs(y - p) * model.layers[1].other]
)
def test_what_no_code_names_does_not_count(loss):
    def noted(model, value):
        model.layers[1].other = 1.0
        model.settings = model.layers[1].note = value

    one, other = (describe(model_of(noted, value, loss=loss)) for value in (1.0, 2.0))
    assert one.signature == other.signature


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)
CHANGED = model_of(on_layer, 0.0, loss=of_part(lambda model: model.layers[1].strength))


@settings(max_examples=25)
@given(VALUES, VALUES)
def test_models_are_alike_only_for_equal_attributes(one, other):
    found = []
    for value in (one, other):
        CHANGED.layers[1].strength = value
        found.append(describe(CHANGED).signature)
    assert (found[0] == found[1]) == (repr(one) == repr(other))


def test_an_attribute_that_cannot_be_compared_is_told_with_its_place():
    def stream(model, value):
        model.layers[1].strength = iter([value])

    loss = of_part(lambda model: next(model.layers[1].strength))
    with pytest.raises(
        UnfusableError, match='the layer "dense" reads `strength`, an iterator, whose content'
    ):
        describe(model_of(stream, 1.0, loss=loss))


@pytest.mark.parametrize("of", [lambda variable: variable, lambda variable: variable.value])
def test_an_attribute_of_a_weight_that_an_optimizer_reads_is_told(of):
    def set_up(model, value):
        of(model.trainable_variables[0]).freeze_at = value

    with pytest.raises(UnfusableError, match="may read the attribute `freeze_at` of the weight dense/kernel"):
        describe(model_of(set_up, 10, Freezing))
    assert describe(model_of(lambda model, value: None, 10, Freezing))
    assert describe(model_of(set_up, 10))


def test_a_variable_in_an_attribute_that_code_assigns_to_is_state():
    loss = of_part(lambda model: model.beta.assign_add(1.0))
    with pytest.raises(UnfusableError, match="assign to a variable that is no part of the model"):
        describe(model_of(variable_of_model, 1.0, loss=loss))


def test_whether_a_layer_passes_a_mask_on_counts():
    def masks(model, value):
        model.layers[2].supports_masking = value

    one, same, other = (describe(model_of(masks, value)).signature for value in (True, True, False))
    assert one == same != other


@pytest.mark.parametrize("make", [lambda: keras.layers.Dense(1), lambda: keras.Variable([1.0])])
def test_attributes_of_what_is_no_part_of_the_model_count(make):
    def outside(value):
        part = make()
        part.strength = value
        return lambda y: y * part.strength

    assert token(outside(1.0)) == token(outside(1.0)) != token(outside(2.0))


LAYERS = [one for one in each_class.examples() if one.kind in ("layer", "regularizer", "constraint")]


@pytest.mark.parametrize("example", LAYERS, ids=str)
def test_keras_own_attributes_are_none_of_a_builder(example):
    model = each_class.build(example.kind, list(example.names), example.target)
    variables = model.variables
    parts = [*layers_of(model), *variables, *(variable.value for variable in variables)]
    assert [extras_of(part) for part in parts if extras_of(part)] == []


class Judging(keras.losses.Loss):
    """Reads the activation of a layer that it holds."""

    def __init__(self, head):
        super().__init__()
        self.head = head

    def call(self, y, p):
        factor = 2.0 if self.head.activation is keras.activations.linear else 1.0
        return factor * ops.abs(y - p)


class Own(keras.losses.Loss):
    """Reads an activation of its own."""

    def __init__(self):
        super().__init__()
        self.activation = keras.activations.tanh

    def call(self, y, p):
        return ops.abs(self.activation(y) - self.activation(p))


def of_activation(read):
    def made(model):
        head = model.layers[-1]
        return lambda y, p: ops.abs(y - p) * (2.0 if read(head) is keras.activations.linear else 1.0)

    return made


@pytest.mark.parametrize(
    ("loss", "is_read"),
    [
        (of_activation(lambda head: head.activation), True),
        (of_activation(lambda head: getattr(head, "activation")), True),  # noqa: B009
        (lambda model: Judging(model.layers[-1]), True),
        (lambda model: Own(), False),
        (of_activation(lambda head: head.units), False),
        (lambda model: "mse", False),
    ],
)
def test_models_share_no_program_if_code_reads_activations_that_differ(loss, is_read):
    """Else they are variants of one program, which it switches between."""
    linear, same, other = (
        describe(model_of(lambda model, value: None, 0, loss=loss, activation=one))
        for one in ("linear", "linear", "tanh")
    )
    assert linear.variant == same.variant != other.variant
    assert linear.signature == same.signature and (linear.signature != other.signature) is is_read


def test_an_activation_of_another_object_than_its_own_is_read():
    """A function that takes an object by the name of `self` is no method."""

    def chosen(self):
        return 2.0 if self.activation is keras.activations.linear else 1.0

    def loss(model):
        return of_part(lambda model: chosen(model.layers[-1]))(model)

    one, other = (
        describe(model_of(lambda model, value: None, 0, loss=loss, activation=one)).signature
        for one in ("linear", "tanh")
    )
    assert one != other
