"""Models with several inputs: a program gives the numbers of Keras' own `fit`."""

from pathlib import Path

import numpy as np
import pytest

from results.space import Space
from tests.help import inputs
from tests.help.cohorts import by_point
from tests.help.engines import train
from trainables.builder import find
from trainables.engine import Work
from trainables.fused.internals.errors import UnfusableError
from trainables.fused.model.describe import describe
from trainables.fused.program.rows import Rows
from trainables.settings import Callbacks, Fit, ReduceLROnPlateau, Training
from trainables.single.engine import KerasEngine

RTOL = 1e-3
"""As in the README: float32 sums in another order, over a few epochs."""


def work_of(function, space, table=None, file=inputs, **fit):
    builder = find.find(f"{file.__file__}:{function}", Path.cwd())
    rules = Callbacks(reduce_lr_on_plateau=ReduceLROnPlateau(factor=0.3, patience=1, min_lr=1e-5))
    training = Training(Fit(**{"epochs": 3, "batch_size": 48, **fit}), rules)
    return Work(Space(space), builder, inputs.table() if table is None else table, training)


def by_keras(work, idx):
    engine = KerasEngine(work)
    engine.begin(np.array([idx]))
    found, done = {}, False
    while not done:
        report = engine.step()
        done = report.done
        found |= by_point(report.rows) if report.rows is not None else {}
    return found[idx]


def assert_as_by_keras(work, points=None):
    """Train all points by a program, compare some with Keras, and return the rows."""
    found, reasons = train(work, range(len(work.space)))
    assert not reasons, reasons
    for idx in range(len(work.space)) if points is None else points:
        (row, curve, weights), (expected, of_keras, its) = found[idx], by_keras(work, idx)
        assert row["engine"] == "fused" and expected["engine"] == "keras"
        assert row["status"] == expected["status"] == "completed", expected["error"]
        assert list(curve) == list(of_keras) and {*row} == {*expected} - {"note"}
        for name, values in of_keras.items():
            np.testing.assert_allclose(curve[name], values, RTOL, 1e-5, err_msg=name)
        for name, value in expected.items():
            if isinstance(value, float) and name != "seconds":
                np.testing.assert_allclose(row[name], value, RTOL, 1e-5, err_msg=name)
        np.testing.assert_allclose(weights, its, RTOL, 1e-4)
    return [found[idx][0] for idx in range(len(work.space))]


def test_an_embedding_beside_numbers():
    space = {"kind": ["dropout", "batch"], "rate": [0.1, 0.4], "units": [5]}
    assert_as_by_keras(work_of("embedded", space), [0, 3])


def test_a_class_of_the_user():
    assert_as_by_keras(work_of("subclassed", {"units": [3, 4], "rate": [0.01, 0.02]}), [1, 2])


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")  # by Keras' own fit, too
def test_a_model_takes_its_only_input_by_its_name():
    """The columns of all inputs stand side by side, and the model needs those in the middle, or the last ones."""
    assert_as_by_keras(work_of("one_of", {"name": ["number", "matrix"], "units": [4]}))


def test_inputs_in_another_order_are_other_models():
    space = {"order": [["left", "right"], ["right", "left"]], "units": [4]}
    rows = assert_as_by_keras(work_of("swapped", space, inputs.equal_shapes()))
    assert rows[0]["loss_te"] != rows[1]["loss_te"]


def test_what_a_dictionary_is_taken_apart_by_tells_models_apart():
    one, other = (inputs.swapped(order, 4) for order in (["left", "right"], ["right", "left"]))
    assert describe(one).signature != describe(other).signature
    number, others = (inputs.one_of(name, 4) for name in ("number", "matrix"))
    assert describe(number, True).signature != describe(others, True).signature


def test_an_input_of_another_type_is_refused():
    """A float32 has no room for each whole number beyond 2**24."""
    x = {"id": np.array([2**24 + 1, 3], "int32"), "number": np.ones((2, 3), "float32")}
    with pytest.raises(UnfusableError, match="an input is of the type int32, and a program takes float32"):
        Rows.of(x, np.ones(2, "float32"))
