"""What identifies the user's code: equal where functions mean the same, in whatever process and model."""

import functools
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from trainables.fused.model.own_code import own_code

FILE = """
import functools

import numpy as np

ALPHA = {alpha}
TABLE = np.array([1.0, {entry}])


def inner(x):
    return x {sign} ALPHA


def logged(function):
    @functools.wraps(function)
    def outer(*arguments):
        return function(*arguments)

    return outer


@logged
def loss(y, p):
    # {comment}
    return inner(y) * p + TABLE[0]


class Base:
    power = {power}

    def of(self, x):
        return x**self.power


class Loss(Base):
    def __call__(self, y, p):
        return super().of(y - p)
"""
PLAIN = {"alpha": 0.3, "entry": 2.0, "sign": "+", "comment": "one", "power": 2}


def made(**changes):
    known = {"__name__": "my_losses"}
    exec(FILE.format(**{**PLAIN, **changes}), known)
    return known


@pytest.mark.parametrize(
    ("change", "different"),
    [
        ({"comment": "another"}, ()),
        ({"alpha": 0.4}, ("loss",)),
        ({"entry": 3.0}, ("loss",)),
        ({"sign": "-"}, ("loss",)),
        ({"power": 4}, ("Loss",)),
    ],
)
def test_all_code_and_plain_data_that_a_function_reads_count(change, different):
    one, other = made(), made(**change)
    for name in ("loss", "Loss"):
        assert own_code(one[name])
        assert (own_code(one[name]) != own_code(other[name])) == (name in different), name
    assert (own_code(one["Loss"]()) != own_code(other["Loss"]())) == ("Loss" in different)


def test_libraries_have_no_code_of_the_user():
    for item in (keras.losses.mean_squared_error, keras.losses.Huber, np.mean, functools.partial(np.mean)):
        assert own_code(item) == ""


def test_models_and_settings_in_a_closure_do_not_count():
    def loss_of(model, settings, array):
        def loss(y, p):
            return (y - p) * array * settings["alpha"] + sum(model.losses)

        return loss

    def model():
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])

    ones = np.ones(3)
    one = own_code(loss_of(model(), {"alpha": 1, "units": 3}, ones))
    assert one == own_code(loss_of(model(), {"alpha": 1, "units": 4}, ones.copy()))
    assert one != own_code(loss_of(model(), {"alpha": 1, "units": 3}, 2 * ones))


def recursive(y, p):
    return recursive(y, p) if y is None else mutual(y, p)


def mutual(y, p):
    return recursive(y, p)


def test_functions_that_call_themselves_are_read():
    assert own_code(recursive) and own_code(recursive) != own_code(mutual)


def test_the_text_is_the_same_in_every_process():
    code = f"""
    from trainables.fused.model.own_code import own_code
    known = {{"__name__": "my_losses"}}
    exec({FILE.format(**PLAIN)!r}, known)
    print(own_code(known["loss"]), own_code(known["Loss"]))
    """
    output = subprocess.check_output([sys.executable, "-c", textwrap.dedent(code)], text=True)
    assert output.split() == [own_code(made()[name]) for name in ("loss", "Loss")]
