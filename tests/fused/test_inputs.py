"""Models with several inputs: a program gives the numbers of Keras' own `fit`."""

import pytest

from tests.help import inputs
from tests.help.engines import assert_as_by_keras, work_of
from trainables.fused.model.describe import describe


def test_an_embedding_beside_numbers():
    space = {"kind": ["dropout", "batch"], "rate": [0.1, 0.4], "units": [5]}
    assert_as_by_keras(work_of(inputs.embedded, space, inputs.table()), [0, 3])


@pytest.mark.slow
def test_a_class_of_the_user():
    assert_as_by_keras(
        work_of(inputs.subclassed, {"units": [3, 4], "rate": [0.01, 0.02]}, inputs.table()), [1, 2]
    )


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")  # by Keras' own fit, too
def test_a_model_takes_its_only_input_by_its_name():
    """The columns of all inputs stand side by side, and the model needs those in the middle, or the last ones."""
    assert_as_by_keras(work_of(inputs.one_of, {"name": ["number", "matrix"], "units": [4]}, inputs.table()))


def test_inputs_in_another_order_are_other_models():
    space = {"order": [["left", "right"], ["right", "left"]], "units": [4]}
    rows = assert_as_by_keras(work_of(inputs.swapped, space, inputs.equal_shapes()))
    assert rows[0]["loss_te"] != rows[1]["loss_te"]


def test_what_a_dictionary_is_taken_apart_by_tells_models_apart():
    one, other = (inputs.swapped(order, 4) for order in (["left", "right"], ["right", "left"]))
    assert describe(one).signature != describe(other).signature
    number, others = (inputs.one_of(name, 4) for name in ("number", "matrix"))
    assert describe(number, True).signature != describe(others, True).signature
