"""Formulas of layers, constraints and losses by NumPy in float64, for the reference of the kernel."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy import special

from tests.help.activations import GRADIENTS, VALUES
from tests.help.dense_nets import Constrained, Layer, Metric, Optimizer
from trainables.native.structures import Activation, Clip, Constraint, Kind, Measure

LEAST = 1e-7  # Keras' epsilon, in float32
TIED = 1e-6
"""Two numbers may be this close in float64, and yet another one of them may be the larger in float32."""
KINKS = {
    Activation.RELU: (0,), Activation.ELU: (0,), Activation.SELU: (0,), Activation.LEAKY_RELU: (0,),
    Activation.RELU6: (0, 6),
    Activation.HARD_SIGMOID: (-3, 3), Activation.HARD_SILU: (-3, 3), Activation.HARD_TANH: (-1, 1),
}  # fmt: skip
"""Where the gradient of an activation jumps."""


class TieError(Exception):
    """Rounding decides which of several numbers is the largest, or on which side of a kink a number is."""


def clipped(one: Optimizer, limit: float, g: np.ndarray, variables: list[tuple[int, int]]) -> np.ndarray:
    if one.clip is Clip.VALUE:
        return np.clip(g, -limit, limit)
    if one.clip is Clip.GLOBAL_NORM:
        return g * min(1, limit / np.linalg.norm(g)) if g.any() else g
    if one.clip is Clip.NORM:
        return np.concatenate([g[i:j] * limit / max(limit, np.linalg.norm(g[i:j])) for i, j in variables])
    return g


def constrained(one: Constrained, w: np.ndarray) -> np.ndarray:
    if one.kind is Constraint.NON_NEGATIVE:
        return np.maximum(w, 0)
    norm = np.sqrt((w * w).sum(one.axis, keepdims=True))
    if one.kind is Constraint.UNIT_NORM:
        return w / (norm + LEAST)
    if one.kind is Constraint.MAX_NORM:
        return w * np.clip(norm, one.least, one.most) / (norm + LEAST)
    return w * (one.rate * np.clip(norm, one.least, one.most) + (1 - one.rate) * norm) / (norm + LEAST)


def joined(kind: Kind, given: list[np.ndarray]) -> np.ndarray:
    match kind:
        case Kind.CONCATENATE:
            return np.concatenate(given, 1)
        case Kind.SUBTRACT:
            return given[0] - given[1]
        case Kind.MULTIPLY:
            return np.prod(given, 0)
        case Kind.MAXIMUM:
            return np.max(given, 0)
        case Kind.MINIMUM:
            return np.min(given, 0)
        case _:
            return np.sum(given, 0) / (len(given) if kind is Kind.AVERAGE else 1)


def joined_backward(kind: Kind, given: list[np.ndarray], d: np.ndarray) -> list[np.ndarray]:
    """Return the gradient of each source."""
    places = range(len(given))
    match kind:
        case Kind.CONCATENATE:
            return np.split(d, np.cumsum([h.shape[1] for h in given])[:-1], 1)
        case Kind.SUBTRACT:
            return [d, -d]
        case Kind.MULTIPLY:
            return [d * np.prod([np.ones_like(d), *given[:k], *given[k + 1 :]], 0) for k in places]
        case Kind.MAXIMUM | Kind.MINIMUM:
            refuse_ties(given)
            first = np.argmax(given, 0) if kind is Kind.MAXIMUM else np.argmin(given, 0)
            return [np.where(first == k, d, 0) for k in places]
        case _:
            return [d / (len(given) if kind is Kind.AVERAGE else 1)] * len(given)


def refuse_ties(given: list[np.ndarray]) -> None:
    """Raise if two numbers are nearly equal. Zeros of relu, and an output and itself, are equal in float32, too."""
    for a, b in itertools.combinations(given, 2):
        if a is not b and ((np.abs(a - b) < TIED) & ((a != 0) | (b != 0))).any():
            raise TieError


def refuse_near(z: np.ndarray, bounds: Sequence[float]) -> None:
    for bound in bounds:
        if ((np.abs(z - bound) < TIED) & (z != bound)).any():
            raise TieError


def best(y: np.ndarray) -> np.ndarray:
    """Return the largest output of each row, which is a tie if the second one is nearly as large."""
    if (np.diff(np.sort(y, 1)[:, -2:], axis=1) < TIED).any():
        raise TieError
    return y.argmax(1)


def activated(layer: Layer, z: np.ndarray) -> np.ndarray:
    if layer.activation is None:
        return z
    if layer.activation is Activation.SOFTMAX:
        return special.softmax(z, 1)
    return VALUES[layer.activation](z, layer.slope)


def gradient_before(layer: Layer, z: np.ndarray, out: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Return the gradient before an activation."""
    if layer.activation is None:
        return d
    if layer.activation is Activation.SOFTMAX:
        return (d - (d * out).sum(1, keepdims=True)) * out
    refuse_near(z, KINKS.get(layer.activation, ()))
    return d * GRADIENTS[layer.activation](z, layer.slope)


def smoothed(metric: Metric, t: np.ndarray, classes: int) -> np.ndarray:
    return t * (1 - metric.smoothing) + metric.smoothing / classes


def one_hot(t: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes)[t[:, 0].astype(int)]


def measured(metric: Metric, outputs: list[np.ndarray], t: np.ndarray) -> np.ndarray:
    """Return a measure of each row."""
    y, z = outputs[-1], outputs[-2]
    e, classes = y - t, y.shape[1]
    match metric.measure:
        case Measure.MSE:
            return (e * e).mean(1)
        case Measure.MAE:
            return np.abs(e).mean(1)
        case Measure.HUBER:
            a, delta = np.abs(e), metric.value
            return np.where(a > delta, delta * a - delta * delta / 2, e * e / 2).mean(1)
        case Measure.LOG_COSH:
            return (np.logaddexp(e, -e) - np.log(2)).mean(1)
        case Measure.POISSON:
            return (y - t * np.log(y + LEAST)).mean(1)
        case Measure.MSLE:
            return ((np.log1p(np.maximum(y, LEAST)) - np.log1p(t)) ** 2).mean(1)
        case Measure.MAPE:
            return 100 * np.abs(e / np.maximum(np.abs(t), LEAST)).mean(1)
        case Measure.BINARY_CROSSENTROPY:
            return (np.logaddexp(0, z) - z * smoothed(metric, t, 2)).mean(1)
        case Measure.CATEGORICAL_CROSSENTROPY:
            return -(smoothed(metric, t, classes) * special.log_softmax(z, 1)).sum(1)
        case Measure.SPARSE_CROSSENTROPY:
            return -(one_hot(t, classes) * special.log_softmax(z, 1)).sum(1)
        case Measure.BINARY_ACCURACY:
            refuse_near(y, (metric.value,))
            return ((y > metric.value) == t).mean(1)
        case Measure.CATEGORICAL_ACCURACY:
            return (best(y) == t.argmax(1)).astype(float)
        case Measure.SPARSE_ACCURACY:
            return (best(y) == t[:, 0]).astype(float)
        case _:
            return (y == t).mean(1)


def loss_gradient(metric: Metric, outputs: list[np.ndarray], t: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the gradient of the loss, a weighted mean, by the outputs, or by the logits of a cross-entropy."""
    y, z = outputs[-1], outputs[-2]
    e, classes = y - t, y.shape[1]
    match metric.measure:
        case Measure.MSE:
            d = 2 * e / classes
        case Measure.MAE:
            d = np.sign(e) / classes
        case Measure.HUBER:
            d = np.clip(e, -metric.value, metric.value) / classes
        case Measure.LOG_COSH:
            d = np.tanh(e) / classes
        case Measure.POISSON:
            d = (1 - t / (y + LEAST)) / classes
        case Measure.MSLE:
            d = 2 * (np.log1p(y) - np.log1p(t)) / (1 + y) / classes
        case Measure.MAPE:
            d = 100 * np.sign(e) / np.maximum(np.abs(t), LEAST) / classes
        case Measure.BINARY_CROSSENTROPY:
            d = (special.expit(z) - smoothed(metric, t, 2)) / classes
        case Measure.CATEGORICAL_CROSSENTROPY:
            d = special.softmax(z, 1) - smoothed(metric, t, classes)
        case _:
            d = special.softmax(z, 1) - one_hot(t, classes)
    return d * weight[:, None] / len(y)
