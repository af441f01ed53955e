"""Translates TensorFlow's operations into instructions for the columns of a row, one function for each type of operation.

The formulas of gradients are those of TensorFlow: `tf.gradients` has made the graph of these operations.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from trainables.native.expressions.formula import Formula, NoExpressionError, View
from trainables.native.structures import Operation as Op

SAME = {
    "Neg": Op.NEGATIVE, "Abs": Op.ABSOLUTE, "Sign": Op.SIGN, "Square": Op.SQUARE, "Sqrt": Op.ROOT, "Exp": Op.EXPONENTIAL,
    "Log": Op.LOGARITHM, "Expm1": Op.EXPM1, "Log1p": Op.LOG1P, "Tanh": Op.TANH, "Cosh": Op.COSH, "Sinh": Op.SINH,
    "Sigmoid": Op.SIGMOID, "Softplus": Op.SOFTPLUS, "Erf": Op.ERF, "Floor": Op.FLOOR, "Round": Op.ROUND, "Rint": Op.ROUND,
    "Add": Op.PLUS, "AddV2": Op.PLUS, "Sub": Op.MINUS, "Mul": Op.TIMES, "Div": Op.OVER, "RealDiv": Op.OVER,
    "Maximum": Op.LARGER, "Minimum": Op.SMALLER, "LogicalAnd": Op.TIMES, "LogicalOr": Op.LARGER,
    "Less": Op.LESS, "LessEqual": Op.LESS_OR_EQUAL, "Equal": Op.EQUAL, "Select": Op.SELECT, "SelectV2": Op.SELECT,
}  # fmt: skip
"""Operations that the kernel has, too."""

REDUCING = {
    "Sum": Op.SUM, "Mean": Op.SUM, "Max": Op.GREATEST, "Min": Op.LEAST, "Any": Op.GREATEST, "All": Op.LEAST,
}  # fmt: skip
"""Operations that make one column of all of a row."""

MOST_POWER = 64
"""Whole exponents up to this one are computed by products."""


class Columns:
    """Operations on columns, written as Python writes them."""

    def __init__(self, formula: Formula, view: View) -> None:
        self.formula, self.view = formula, view

    def of(self, operation: Op, *others: Columns | float) -> Columns:
        """Return what an operation makes of these and other columns."""
        views = [one.view if isinstance(one, Columns) else self.formula.constant(one) for one in others]
        return Columns(self.formula, self.formula.apply(operation, self.view, *views))

    def __add__(self, other: Columns | float) -> Columns:
        return self.of(Op.PLUS, other)

    def __sub__(self, other: Columns | float) -> Columns:
        return self.of(Op.MINUS, other)

    def __mul__(self, other: Columns | float) -> Columns:
        return self.of(Op.TIMES, other)

    def __truediv__(self, other: Columns | float) -> Columns:
        return self.of(Op.OVER, other)

    def __neg__(self) -> Columns:
        return self.of(Op.NEGATIVE)

    def equals(self, other: Columns | float) -> Columns:
        """Return 1 where both are equal, else 0."""
        return self.of(Op.EQUAL, other)

    def below(self, other: Columns | float) -> Columns:
        """Return 1 where these are smaller, else 0."""
        return self.of(Op.LESS, other)

    def above(self, other: float) -> Columns:
        """Return 1 where these are larger, else 0."""
        return self.like(other).of(Op.LESS, self)

    def like(self, number: float) -> Columns:
        """Return a constant."""
        return Columns(self.formula, self.formula.constant(number))

    def inverse(self) -> Columns:
        """Return one divided by these."""
        return self.like(1.0) / self

    def opposite(self) -> Columns:
        """Return 1 for 0, and 0 for 1."""
        return self.like(1.0) - self

    def chooses(self, yes: Columns | float, no: Columns | float) -> Columns:
        """Return columns of `yes` where these are not 0, else of `no`."""
        return self.of(Op.SELECT, yes, no)

    def sum(self, count: int, operation: Op = Op.SUM) -> Columns:
        """Return one column of `count`."""
        return Columns(self.formula, self.formula.reduce(operation, self.view, count))


def power(x: Columns, exponent: Columns) -> Columns:
    """Return x to the power of a constant, or a positive constant to the power of x."""
    number, base = x.formula.number(exponent.view), x.formula.number(x.view)
    if number is None:
        if base is None or base <= 0.0:
            raise NoExpressionError("has the operation Pow of two variable numbers")
        return (exponent * float(np.log(base))).of(Op.EXPONENTIAL)
    if number < 0.0:
        return power(x, x.like(-number)).inverse()
    whole, rest = divmod(number, 1.0)
    if rest not in (0.0, 0.5) or whole > MOST_POWER:
        return (x.of(Op.LOGARITHM) * number).of(Op.EXPONENTIAL)
    factors, square = [x.of(Op.ROOT)] if rest else [], x
    for bit in reversed(f"{int(whole):b}"):
        factors += [square] if bit == "1" else []
        square = square.of(Op.SQUARE)
    return functools.reduce(Columns.__mul__, factors) if factors else x.like(1.0)


def softmax(x: Columns, count: int) -> Columns:
    """Return the shares of `count` columns."""
    raised = (x - x.sum(count, Op.GREATEST)).of(Op.EXPONENTIAL)
    return raised / raised.sum(count)


def log_softmax(x: Columns, count: int) -> Columns:
    """Return the logarithms of these shares."""
    shifted = x - x.sum(count, Op.GREATEST)
    return shifted - shifted.of(Op.EXPONENTIAL).sum(count).of(Op.LOGARITHM)


def _relu(x: Columns) -> Columns:
    return x.of(Op.LARGER, 0.0)


def _between(x: Columns, least: float, most: float) -> Columns:
    return x.above(least) * x.below(most)


def _without_nan(x: Columns, found: Columns) -> Columns:
    return x.equals(0.0).chooses(0.0, found)


COMPOSED: dict[str, Callable[..., Columns]] = {
    "AddN": lambda *all_of_them: functools.reduce(Columns.__add__, all_of_them),
    "Greater": lambda a, b: b.below(a),
    "GreaterEqual": lambda a, b: b.of(Op.LESS_OR_EQUAL, a),
    "NotEqual": lambda a, b: a.equals(b).opposite(),
    "LogicalNot": lambda a: a.opposite(),
    "IsNan": lambda a: a.equals(a).opposite(),
    "IsInf": lambda a: a.of(Op.ABSOLUTE).equals(np.inf),
    "IsFinite": lambda a: a.of(Op.ABSOLUTE).below(np.inf),
    "Reciprocal": lambda a: a.inverse(),
    "Inv": lambda a: a.inverse(),
    "Rsqrt": lambda a: a.of(Op.ROOT).inverse(),
    "Ceil": lambda a: -(-a).of(Op.FLOOR),
    "SquaredDifference": lambda a, b: (a - b).of(Op.SQUARE),
    "ClipByValue": lambda a, least, most: a.of(Op.SMALLER, most).of(Op.LARGER, least),
    "Pow": power,
    "DivNoNan": lambda a, b: _without_nan(b, a / b),
    "MulNoNan": lambda a, b: _without_nan(b, a * b),
    "Relu": _relu,
    "Relu6": lambda a: _relu(a).of(Op.SMALLER, 6.0),
    "Elu": lambda a: a.below(0.0).chooses(a.of(Op.EXPM1), a),
    "Softsign": lambda a: a / (a.of(Op.ABSOLUTE) + 1.0),
    "TanhGrad": lambda y, g: g * (y.like(1.0) - y * y),
    "SigmoidGrad": lambda y, g: g * y * (y.like(1.0) - y),
    "SqrtGrad": lambda y, g: g * 0.5 / y,
    "RsqrtGrad": lambda y, g: g * (y * y * y) * -0.5,
    "ReciprocalGrad": lambda y, g: -g * (y * y),
    "InvGrad": lambda y, g: -g * (y * y),
    "SoftplusGrad": lambda g, x: g * x.of(Op.SIGMOID),
    "ReluGrad": lambda g, x: x.above(0.0).chooses(g, 0.0),
    "Relu6Grad": lambda g, x: _between(x, 0.0, 6.0).chooses(g, 0.0),
    "EluGrad": lambda g, y: y.below(0.0).chooses(g * (y + 1.0), g),
    "SoftsignGrad": lambda g, x: g / (x.of(Op.ABSOLUTE) + 1.0).of(Op.SQUARE),
}
"""Operations made of several instructions. Their arguments are the operation's inputs."""
