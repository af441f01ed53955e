"""Each activation of each kernel, and its gradient, against the formula in float64, and at special numbers against Keras."""

import numpy as np
import pytest

from tests.help.activations import ERF, EXP, EXPM1, GRADIENTS, LOG, LOG1P, VALUES
from tests.help.kernels import HERE, applied, gradient, opened
from trainables.native.structures import Activation

A = Activation
TINY = 1.2e-38
"""Numbers below this are zero inside the kernel, as in TensorFlow."""
ROUNDING = 4e-7  # three units in the last place of a float32
SLOPES = {A.ELU: 0.3, A.LEAKY_RELU: 0.2}

# What the formulas lose besides: they add numbers that cancel, which here is relative to the largest of them.
LOSES = {
    A.HARD_SIGMOID: lambda z: 1e-7 * np.minimum(np.abs(z), 1),
    A.HARD_SILU: lambda z: 1e-7 * np.abs(z),
    A.GELU: lambda z: 2e-7 * np.abs(z),
    A.GELU_TANH: lambda z: 2e-7 * np.abs(z),
    ERF: lambda z: 4e-7 * np.minimum(np.abs(z), 1) + 100 * TINY,  # it multiplies by 0.016 first
}

AT = [0.0, -0.0, 1e-45, -1e-45, 1e-40, -1e-40, 6.0, 7.0, 1e20, -1e20, 3.4e38, -3.4e38]
SPECIAL = np.array([*AT, np.inf, -np.inf, np.nan], np.float32)


def name_of(function):
    return getattr(function, "name", None) or {EXP: "exp", LOG: "log", EXPM1: "expm1", LOG1P: "log1p"}.get(
        function, "erf"
    )


def numbers():
    """All magnitudes, and closely where the functions change."""
    wide = np.geomspace(TINY, 3.3e38, 20_001)
    found = [wide, -wide, np.linspace(-120, 120, 60_001), np.linspace(-6, 6, 60_001)]
    return np.unique(np.concatenate(found).astype(np.float32))


def assert_close(found, wanted, allowed, x):
    with np.errstate(over="ignore", invalid="ignore"):
        is_wrong = ~(np.abs(found - wanted) <= allowed) & (found != wanted.astype(np.float32))
    # At the very end of float32, rounding decides between the largest number and infinity.
    is_wrong &= ~((np.abs(wanted) > 3.402823e38) & (found == np.copysign(np.inf, wanted)))
    shown = [f"{x[k]!r}: {found[k]!r}, not {wanted[k]!r}" for k in np.flatnonzero(is_wrong)[:5]]
    assert not is_wrong.any(), f"{is_wrong.sum()} wrong: {'; '.join(shown)}"


@pytest.fixture(params=HERE)
def kernel(request):
    return opened(request.param)


@pytest.mark.parametrize("function", VALUES, ids=name_of)
def test_values_are_those_of_the_formula(kernel, function):
    x = numbers()
    if function in (LOG, LOG1P):
        x = x[x > 0]
    if function == EXPM1:
        x = x[x < 88]  # where the kernel's own callers need it
    slope = float(np.float32(SLOPES.get(function, 1.0)))
    z = x.astype(float)
    with np.errstate(over="ignore", under="ignore"):
        wanted = VALUES[function](z, slope)
        allowed = ROUNDING * np.abs(wanted) + TINY * np.maximum(1, np.abs(z))
        if function in LOSES:
            allowed = allowed + LOSES[function](z)
    assert_close(applied(kernel, function, x, slope), wanted, allowed, x)


@pytest.mark.parametrize("function", GRADIENTS, ids=name_of)
def test_gradients_are_those_of_the_formula(kernel, function):
    x = numbers()
    # The gradient of a clipped value is taken from the value, which is rounded near its bounds.
    for bound in {A.HARD_SIGMOID: (-3, 3), A.HARD_TANH: (-1, 1)}.get(function, ()):
        x = x[np.abs(x - bound) > 1e-6]
    if function is A.ELU:
        x = x[np.abs(x) > 10 * TINY]  # else the value is zero
    if function is A.GELU_TANH:
        x = x[np.abs(x) < 1e18]  # where its square is a number; else the gradient is none, as in Keras
    slope = float(np.float32(SLOPES.get(function, 1.0)))
    z = x.astype(float)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        wanted = GRADIENTS[function](z, slope)
        wanted = np.where(np.isnan(wanted), (z > 0).astype(float), wanted)  # infinity times zero, far out
    # Gradients are at most about 1. Those from the value lose what is near one; z * (1 - t * t) loses z times as much.
    loses = 5e-6 if function in (A.MISH, A.GELU_TANH, A.SILU) else 1e-6
    allowed = ROUNDING * np.abs(wanted) + loses
    assert_close(gradient(kernel, function, x, 1.0, slope), wanted, allowed, x)
    twice = gradient(kernel, function, x, -2.0, slope)
    assert_close(twice, -2 * wanted, 2 * allowed, x)


@pytest.mark.parametrize("function", [a for a in A if a is not A.SOFTMAX], ids=name_of)
def test_special_numbers_give_what_keras_gives(kernel, function):
    import keras

    of_keras = {
        A.LEAKY_RELU: lambda x: keras.activations.leaky_relu(x, 0.2),
        A.ELU: lambda x: keras.activations.elu(x, 0.3),
        A.GELU_TANH: lambda x: keras.activations.gelu(x, approximate=True),
    }
    keras_function = of_keras.get(function) or getattr(keras.activations, function.name.lower())
    wanted = np.asarray(keras_function(keras.ops.convert_to_tensor(SPECIAL)))
    found = applied(kernel, function, SPECIAL, SLOPES.get(function, 1.0))
    # Keras keeps some numbers below TINY that are zero here, and the other way round.
    np.testing.assert_allclose(found, wanted, rtol=ROUNDING, atol=TINY)


def test_the_kernel_s_own_functions_have_their_limits(kernel):
    x = np.array([0.0, -1.0, np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(applied(kernel, LOG, x), [-np.inf, np.nan, np.inf, np.nan])
    np.testing.assert_array_equal(applied(kernel, LOG1P, x[[0, 2, 3]]), [0.0, np.inf, np.nan])
    far = np.array([-np.inf, -3.4e38, -1e5, -104.5, -88.0, np.nan], np.float32)
    np.testing.assert_array_equal(applied(kernel, EXP, far[[0, 1, 2, 3, 5]]), [0.0, 0.0, 0.0, 0.0, np.nan])
    np.testing.assert_array_equal(applied(kernel, EXPM1, far), [-1.0, -1.0, -1.0, -1.0, -1.0, np.nan])
    np.testing.assert_array_equal(
        applied(kernel, EXP, np.array([89.5, np.inf], np.float32)), [np.inf, np.inf]
    )


@pytest.mark.parametrize("function", VALUES, ids=name_of)
def test_all_kernels_give_the_same_bits(function):
    kernels = [opened(name) for name in HERE]
    if len(kernels) < 2:
        pytest.skip("this machine has one kernel")
    x = np.concatenate([numbers(), SPECIAL])
    first, *others = [applied(kernel, function, x, SLOPES.get(function, 1.0)) for kernel in kernels]
    for other in others:
        np.testing.assert_array_equal(first.view(np.int32), other.view(np.int32))
