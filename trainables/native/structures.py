"""The structures of `kernel/structures.h`, and the numbers that it uses for layers, activations, optimizers and measures.

Everything here must have the order and the types that it has in `kernel/structures.h`. The version changes with either;
it is in `kernel/kernel.cpp` and in `library.py`.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum, auto

_POINTER = ctypes.c_void_p


class _FromZero(IntEnum):
    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class Kind(_FromZero):
    """Kinds of layers. Those from `ADD` on join the outputs of several layers."""

    DENSE = auto()
    BATCH_NORMALIZATION = auto()
    ACTIVATION = auto()
    PRELU = auto()
    DROPOUT = auto()
    NOISE = auto()
    LAYER_NORMALIZATION = auto()
    ADD = auto()
    SUBTRACT = auto()
    MULTIPLY = auto()
    AVERAGE = auto()
    MAXIMUM = auto()
    MINIMUM = auto()
    CONCATENATE = auto()


class Activation(_FromZero):
    """Activation functions. Those up to `SOFTMAX` know their gradient from their output."""

    LINEAR = auto()
    RELU = auto()
    ELU = auto()
    SELU = auto()
    TANH = auto()
    SIGMOID = auto()
    SOFTPLUS = auto()
    EXPONENTIAL = auto()
    RELU6 = auto()
    LEAKY_RELU = auto()
    SOFTSIGN = auto()
    HARD_SIGMOID = auto()
    HARD_TANH = auto()
    SOFTMAX = auto()
    SILU = auto()
    GELU = auto()
    MISH = auto()
    HARD_SILU = auto()
    GELU_TANH = auto()


class Rule(_FromZero):
    """Updates of the optimizers."""

    SGD = auto()
    MOMENTUM = auto()
    NESTEROV = auto()
    RMSPROP = auto()
    ADAM = auto()
    AMSGRAD = auto()
    NADAM = auto()
    ADAMAX = auto()
    ADAGRAD = auto()
    LION = auto()


class Clip(_FromZero):
    """Ways to clip gradients."""

    NONE = auto()
    NORM = auto()
    GLOBAL_NORM = auto()
    VALUE = auto()


class Measure(_FromZero):
    """Losses and metrics. The cross-entropies are of logits."""

    MSE = auto()
    MAE = auto()
    HUBER = auto()
    LOG_COSH = auto()
    POISSON = auto()
    MSLE = auto()
    MAPE = auto()
    BINARY_CROSSENTROPY = auto()
    CATEGORICAL_CROSSENTROPY = auto()
    SPARSE_CROSSENTROPY = auto()
    BINARY_ACCURACY = auto()
    CATEGORICAL_ACCURACY = auto()
    SPARSE_ACCURACY = auto()
    EQUALITY = auto()
    EXPRESSION = auto()


class Operation(_FromZero):
    """Operations of the instructions of an expression. Those from `SUM` on make one column of several."""

    CONSTANT = auto()
    COPY = auto()
    NEGATIVE = auto()
    ABSOLUTE = auto()
    SIGN = auto()
    SQUARE = auto()
    ROOT = auto()
    EXPONENTIAL = auto()
    LOGARITHM = auto()
    EXPM1 = auto()
    LOG1P = auto()
    TANH = auto()
    COSH = auto()
    SINH = auto()
    SIGMOID = auto()
    SOFTPLUS = auto()
    ERF = auto()
    FLOOR = auto()
    ROUND = auto()
    TRUNCATE = auto()
    PLUS = auto()
    MINUS = auto()
    TIMES = auto()
    OVER = auto()
    LARGER = auto()
    SMALLER = auto()
    LESS = auto()
    LESS_OR_EQUAL = auto()
    EQUAL = auto()
    SELECT = auto()
    SUM = auto()
    GREATEST = auto()
    LEAST = auto()


class Constraint(_FromZero):
    """Constraints of weights."""

    NON_NEGATIVE = auto()
    MAX_NORM = auto()
    UNIT_NORM = auto()
    MIN_MAX_NORM = auto()


class Setting(_FromZero):
    """Columns of a model's settings. The numbers of its layers come after them."""

    RATE = auto()
    MOMENTUM = auto()
    BETA_1 = auto()
    BETA_1_COMPLEMENT = auto()
    BETA_2 = auto()
    BETA_2_COMPLEMENT = auto()
    RHO = auto()
    RHO_COMPLEMENT = auto()
    EPSILON = auto()
    DECAY = auto()
    CLIP = auto()


def _ints(*names: str) -> list[tuple[str, type]]:
    return [(name, ctypes.c_int32) for name in names]


def _floats(*names: str) -> list[tuple[str, type]]:
    return [(name, ctypes.c_float) for name in names]


def _pointers(*names: str) -> list[tuple[str, type]]:
    return [(name, _POINTER) for name in names]


class CLayer(ctypes.Structure):
    """One layer."""

    _fields_ = [
        *_ints(
            "kind", "inputs", "outputs", "source", "sources", "kernel", "bias", "mean", "variance", "frozen"
        ),
        *_ints("activation", "draws", "number", "penalized"),
        *_floats("epsilon", "momentum", "complement", "l1", "l2"),
    ]


class CRange(ctypes.Structure):
    """The numbers of one variable."""

    _fields_ = _ints("first", "end")


class COptimizer(ctypes.Structure):
    """An optimizer."""

    _fields_ = [
        *_ints("rule", "centred", "clip", "decays"),
        ("slot", ctypes.c_int32 * 3),
        *_ints("scheduled"),
    ]


class CConstraint(ctypes.Structure):
    """The constraint of a variable."""

    _fields_ = [
        *_ints("kind", "first", "groups", "step", "length", "stride"),
        *_floats("least", "most", "rate", "rest", "epsilon"),
    ]


class CMeasured(ctypes.Structure):
    """The loss, or a metric."""

    _fields_ = [
        *_ints("measure", "weighted"),
        *_floats("value", "smoothing"),
        *_ints("first", "constants", "values", "end", "value_at", "gradient_at", "of_logits"),
    ]


class CInstruction(ctypes.Structure):
    """One instruction of an expression."""

    _fields_ = [
        *_ints("operation", "width", "to"),
        ("from_", ctypes.c_int32 * 3),
        ("step", ctypes.c_int32 * 3),
        *_floats("number"),
    ]


class CArea(ctypes.Structure):
    """The area under a curve."""

    _fields_ = _ints("thresholds", "weighted")


class CNet(ctypes.Structure):
    """The structure that all models share."""

    _fields_ = [
        *_ints("layers", "features", "outputs", "targets", "weights", "states", "slots", "settings"),
        *_ints(
            "variables",
            "penalties",
            "optimizers",
            "constraints",
            "measures",
            "activations",
            "sources",
            "instructions",
            "columns",
            "batch",
            "areas",
            "counts",
        ),
        *_pointers(
            "layer",
            "variable",
            "penalty",
            "optimizer",
            "constraint",
            "measured",
            "source",
            "instruction",
            "area",
        ),
    ]


class CModels(ctypes.Structure):
    """The arrays of all models."""

    _fields_ = [
        *_pointers("lane", "activation", "slope", "weights", "states"),
        ("slot", _POINTER * 3),
        *_pointers("scalar", "optimizer", "settings", "strengths", "sums"),
    ]


class CRows(ctypes.Structure):
    """Rows of the table."""

    _fields_ = [*_pointers("x", "y", "weight"), ("rows", ctypes.c_int64)]
