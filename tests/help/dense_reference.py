"""Trains a task by NumPy in float64, one model after another, as a reference for the kernel."""

from __future__ import annotations

import numpy as np
from scipy import special

from tests.help.activations import GRADIENTS, VALUES
from tests.help.dense_kernel import Result
from tests.help.dense_nets import CROSS_ENTROPIES, Constrained, Layer, Metric, Numbers, Optimizer, Place, Task
from trainables.native.structures import Activation, Clip, Constraint, Kind, Measure, Rule, Setting

EPSILON, MOMENTUM = 0.01, 0.8  # of normalizations
LEAST = 1e-7  # Keras' epsilon, in float32
TILE = 64  # rows that the kernel evaluates at once


def trained_by_reference(task: Task, epochs: int = 2) -> Result:
    """Train a task and evaluate it."""
    numbers = Numbers(task)
    models = [_Model(task, numbers, row) for row in range(task.models)]
    with np.errstate(all="ignore"):
        for model in models:
            for _ in range(epochs):
                for step in range(len(numbers.schedule)):
                    model.step(step)
        tested = [model.evaluated() for model in models]
    return Result(
        np.array([model.parameters for model in models]),
        np.array([model.slots for model in models]).swapaxes(0, 1),
        np.array([model.scalar for model in models]),
        np.array([model.sums for model in models]),
        np.array([sums for sums, _ in tested]),
        np.array([outputs for _, outputs in tested]),
    )


class _Model:
    """One model of a task."""

    def __init__(self, task: Task, numbers: Numbers, row: int) -> None:
        self._task, self._numbers = task, numbers
        self.parameters = numbers.parameters[row].astype(float)
        self.slots = numbers.slots[:, row].astype(float)
        self.scalar = float(numbers.scalar[row])
        self.sums = np.zeros(len(task.measures) + 1)
        self._settings = numbers.settings[row].astype(float)
        self._optimizer = task.optimizers[numbers.optimizer[row]]
        self._strengths = numbers.strengths[row, 0].astype(float)
        self._done = 0
        # float32, as the kernel has them: a draw may lie between a rate and its nearest float32
        self._draws = dict(zip(task.drawing, numbers.draws, strict=True))
        self._own = dict(zip(task.drawing, numbers.settings[row, len(Setting) :], strict=True))

    def step(self, step: int) -> None:
        """Train one batch."""
        task, numbers = self._task, self._numbers
        rows = slice(step * task.batch, min(task.rows, (step + 1) * task.batch))
        x, t = numbers.x[rows].astype(float), numbers.y[rows].astype(float)
        weight = np.ones(len(x)) if numbers.weight is None else numbers.weight[rows].astype(float)
        outputs, penalty = self._forward(x, rows, True)
        for number, metric in enumerate(task.measures):
            value = _value(metric, outputs, t)
            self.sums[number] += (value * weight if metric.weighted else value).sum()
        gradients = self._backward(outputs, _loss_gradient(task.measures[0], outputs, t, weight), rows)
        if task.penalized:
            first, end = numbers.places.variables[0]
            w, (l1, l2) = self.parameters[first:end], self._strengths
            penalty += (l1 * np.abs(w) + l2 * w * w).sum()
            gradients[first:end] += l1 * np.sign(w) + 2 * l2 * w
        self.sums[-1] += penalty * len(x)
        self._update(gradients, step)
        for one in task.constraints:
            first, end = numbers.places.variables[one.variable]
            shape = numbers.places.shapes[one.variable]
            self.parameters[first:end] = _constrained(one, self.parameters[first:end].reshape(shape)).ravel()
        self._done += 1

    def evaluated(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums over the evaluated rows, and the outputs."""
        task, numbers = self._task, self._numbers
        sums, found = np.zeros(len(task.measures) + 1), [np.zeros((0, task.outputs))]
        for first in range(task.rows, task.rows + task.tested, TILE):
            rows = slice(first, min(first + TILE, task.rows + task.tested))
            x, t = numbers.x[rows].astype(float), numbers.y[rows].astype(float)
            weight = np.ones(len(x)) if numbers.weight is None else numbers.weight[rows].astype(float)
            outputs, penalty = self._forward(x, rows, False)
            for number, metric in enumerate(task.measures):
                value = _value(metric, outputs, t)
                sums[number] += (value * weight if metric.weighted else value).sum()
            sums[-1] += penalty * len(x)
            found.append(outputs[-1])
        if task.penalized:
            first, end = numbers.places.variables[0]
            w, (l1, l2) = self.parameters[first:end], self._strengths
            sums[-1] += (l1 * np.abs(w) + l2 * w * w).sum() * task.tested
        return sums, np.concatenate(found)

    def _part(self, first: int, size: int) -> np.ndarray:
        return self.parameters[first : first + size]

    def _moments(
        self, h: np.ndarray, layer: Layer, place: Place, training: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the variance by which a layer normalizes."""
        if training and layer.trained:
            return h.mean(0), h.var(0)
        return self._part(place.mean, layer.outputs), self._part(place.variance, layer.outputs)

    def _forward(self, x: np.ndarray, rows: slice, training: bool) -> tuple[list[np.ndarray], float]:
        """Return the input and the outputs of all layers, and the penalty of the outputs."""
        found, penalty = [x], 0.0
        for k, (layer, place) in enumerate(zip(self._task.layers, self._numbers.places.of, strict=True)):
            given = [found[source + 1] for source in self._task.sources[k]]
            h, width = given[0], layer.outputs
            match layer.kind:
                case Kind.DENSE:
                    h = h @ self._part(place.kernel, h.shape[1] * width).reshape(-1, width)
                    h = _activated(layer, h + (self._part(place.bias, width) if place.bias >= 0 else 0))
                case Kind.BATCH_NORMALIZATION:
                    mean, variance = self._moments(h, layer, place, training)
                    if training and layer.trained:
                        for first, value in ((place.mean, mean), (place.variance, variance)):
                            moving = self._part(first, width)
                            moving[...] = moving * MOMENTUM + value * (1 - MOMENTUM)
                    h = (h - mean) / np.sqrt(variance + EPSILON)
                    h = h * (self._part(place.kernel, width) if place.kernel >= 0 else 1)
                    h = h + (self._part(place.bias, width) if place.bias >= 0 else 0)
                case Kind.ACTIVATION:
                    h = _activated(layer, h)
                case Kind.PRELU:
                    h = np.where(h < 0, h * self._part(place.kernel, width), h)
                case Kind.DROPOUT if training:
                    h = np.where(self._draws[k][rows] < self._own[k], 0, h / (1 - float(self._own[k])))
                case Kind.NOISE if training:
                    h = h + self._draws[k][rows] * float(self._own[k])
                case kind if kind >= Kind.ADD:
                    h = _joined(kind, given)
            penalty += (layer.l1 * np.abs(h) + layer.l2 * h * h).sum() / len(h)
            found.append(h)
        return found, penalty

    def _backward(self, outputs: list[np.ndarray], d: np.ndarray, rows: slice) -> np.ndarray:
        """Return the gradient of all weights; `d` is that of the outputs, or of the logits."""
        task, places = self._task, self._numbers.places
        gradients = np.zeros_like(self.parameters)
        last = len(task.layers) - 1
        if task.measures[0].measure in CROSS_ENTROPIES:
            last -= 1
        behind = [np.zeros_like(out) for out in outputs]
        behind[last + 1] += d
        for k in range(last, -1, -1):
            layer, place, sources, out = task.layers[k], places.of[k], task.sources[k], outputs[k + 1]
            given = [outputs[source + 1] for source in sources]
            h, width, d = given[0], layer.outputs, behind[k + 1]
            d = d + (layer.l1 * np.sign(out) + 2 * layer.l2 * out) / len(h)
            match layer.kind:
                case Kind.DENSE:
                    w = self._part(place.kernel, h.shape[1] * width).reshape(-1, width)
                    z = h @ w + (self._part(place.bias, width) if place.bias >= 0 else 0)
                    d = _before(layer, z, out, d)
                    gradients[place.kernel : place.kernel + w.size] = (h.T @ d).ravel()
                    if place.bias >= 0:
                        gradients[place.bias : place.bias + width] = d.sum(0)
                    d = d @ w.T
                case Kind.BATCH_NORMALIZATION:
                    mean, variance = self._moments(h, layer, place, True)
                    inverse = 1 / np.sqrt(variance + EPSILON)
                    normal = (h - mean) * inverse
                    if place.kernel >= 0:
                        gradients[place.kernel : place.kernel + width] = (d * normal).sum(0)
                    if place.bias >= 0:
                        gradients[place.bias : place.bias + width] = d.sum(0)
                    factor = inverse * (self._part(place.kernel, width) if place.kernel >= 0 else 1)
                    if layer.trained:
                        d = d - d.mean(0) - normal * (d * normal).mean(0)
                    d = d * factor
                case Kind.ACTIVATION:
                    d = _before(layer, h, out, d)
                case Kind.PRELU:
                    gradients[place.kernel : place.kernel + width] = np.where(h < 0, d * h, 0).sum(0)
                    d = np.where(h < 0, d * self._part(place.kernel, width), d)
                case Kind.DROPOUT:
                    d = np.where(self._draws[k][rows] < self._own[k], 0, d / (1 - float(self._own[k])))
            before = _joined_backward(layer.kind, given, d) if layer.kind >= Kind.ADD else [d]
            for source, gradient in zip(sources, before, strict=True):
                behind[source + 1] += gradient
        return gradients[: places.weights]

    def _update(self, g: np.ndarray, step: int) -> None:
        one, of, t = self._optimizer, self._settings, self._done + 1
        w, (a, b, c) = self.parameters[: len(g)], self.slots
        rate = float(self._numbers.schedule[step]) if one.scheduled else of[Setting.RATE]
        beta_1, beta_2, rho = of[Setting.BETA_1], of[Setting.BETA_2], of[Setting.RHO]
        momentum, epsilon = of[Setting.MOMENTUM], of[Setting.EPSILON]
        g = _clipped(one, of[Setting.CLIP], g, self._numbers.places.variables)
        if one.decays:
            w -= w * of[Setting.DECAY] * rate * self._numbers.decays
        if one.rule in (Rule.ADAM, Rule.AMSGRAD, Rule.NADAM, Rule.ADAMAX):
            a += (g - a) * (1 - beta_1)
        if one.rule in (Rule.ADAM, Rule.AMSGRAD, Rule.NADAM):
            b += (g * g - b) * (1 - beta_2)
        match one.rule:
            case Rule.SGD:
                w -= rate * g
            case Rule.MOMENTUM | Rule.NESTEROV:
                a[...] = a * momentum - g * rate
                w += a * momentum - g * rate if one.rule is Rule.NESTEROV else a
            case Rule.RMSPROP:
                a[...] = rho * a + (1 - rho) * g * g
                under = a + epsilon
                if one.centred:
                    c[...] = rho * c + (1 - rho) * g
                    under = a - c * c + epsilon
                change = rate * g / np.sqrt(under)
                if one.has_momentum:
                    b[...] = momentum * b + change
                    change = b
                w -= change
            case Rule.ADAM | Rule.AMSGRAD:
                top = b
                if one.rule is Rule.AMSGRAD:
                    c[...] = np.maximum(c, b)
                    top = c
                w -= a * rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t) / (np.sqrt(top) + epsilon)
            case Rule.NADAM:
                u, u_next = (beta_1 * (1 - 0.5 * 0.96**n) for n in (t, t + 1))
                self.scalar *= u
                m = u_next * a / (1 - self.scalar * u_next) + (1 - u) * g / (1 - self.scalar)
                w -= m * rate / (np.sqrt(b / (1 - beta_2**t)) + epsilon)
            case Rule.ADAMAX:
                b[...] = np.maximum(beta_2 * b, np.abs(g))
                w -= rate * a / ((1 - beta_1**t) * (b + epsilon))
            case Rule.ADAGRAD:
                a += g * g
                w -= rate * g / np.sqrt(a + epsilon)
            case Rule.LION:
                w -= rate * np.sign(a * beta_1 + g * (1 - beta_1))
                a[...] = a * beta_2 + g * (1 - beta_2)


def _clipped(one: Optimizer, limit: float, g: np.ndarray, variables: list[tuple[int, int]]) -> np.ndarray:
    if one.clip is Clip.VALUE:
        return np.clip(g, -limit, limit)
    if one.clip is Clip.GLOBAL_NORM:
        return g * min(1, limit / np.linalg.norm(g)) if g.any() else g
    if one.clip is Clip.NORM:
        return np.concatenate([g[i:j] * limit / max(limit, np.linalg.norm(g[i:j])) for i, j in variables])
    return g


def _constrained(one: Constrained, w: np.ndarray) -> np.ndarray:
    if one.kind is Constraint.NON_NEGATIVE:
        return np.maximum(w, 0)
    norm = np.sqrt((w * w).sum(one.axis, keepdims=True))
    if one.kind is Constraint.UNIT_NORM:
        return w / (norm + LEAST)
    if one.kind is Constraint.MAX_NORM:
        return w * np.clip(norm, one.least, one.most) / (norm + LEAST)
    return w * (one.rate * np.clip(norm, one.least, one.most) + (1 - one.rate) * norm) / (norm + LEAST)


def _joined(kind: Kind, given: list[np.ndarray]) -> np.ndarray:
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


def _joined_backward(kind: Kind, given: list[np.ndarray], d: np.ndarray) -> list[np.ndarray]:
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
            first = np.argmax(given, 0) if kind is Kind.MAXIMUM else np.argmin(given, 0)
            return [np.where(first == k, d, 0) for k in places]
        case _:
            return [d / (len(given) if kind is Kind.AVERAGE else 1)] * len(given)


def _activated(layer: Layer, z: np.ndarray) -> np.ndarray:
    if layer.activation is None:
        return z
    if layer.activation is Activation.SOFTMAX:
        return special.softmax(z, 1)
    return VALUES[layer.activation](z, layer.slope)


def _before(layer: Layer, z: np.ndarray, out: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Return the gradient before an activation."""
    if layer.activation is None:
        return d
    if layer.activation is Activation.SOFTMAX:
        return (d - (d * out).sum(1, keepdims=True)) * out
    return d * GRADIENTS[layer.activation](z, layer.slope)


def _smoothed(metric: Metric, t: np.ndarray, classes: int) -> np.ndarray:
    return t * (1 - metric.smoothing) + metric.smoothing / classes


def _one_hot(t: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes)[t[:, 0].astype(int)]


def _value(metric: Metric, outputs: list[np.ndarray], t: np.ndarray) -> np.ndarray:
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
            return (np.logaddexp(0, z) - z * _smoothed(metric, t, 2)).mean(1)
        case Measure.CATEGORICAL_CROSSENTROPY:
            return -(_smoothed(metric, t, classes) * special.log_softmax(z, 1)).sum(1)
        case Measure.SPARSE_CROSSENTROPY:
            return -(_one_hot(t, classes) * special.log_softmax(z, 1)).sum(1)
        case Measure.BINARY_ACCURACY:
            return ((y > metric.value) == t).mean(1)
        case Measure.CATEGORICAL_ACCURACY:
            return (y.argmax(1) == t.argmax(1)).astype(float)
        case Measure.SPARSE_ACCURACY:
            return (y.argmax(1) == t[:, 0]).astype(float)
        case _:
            return (y == t).mean(1)


def _loss_gradient(
    metric: Metric, outputs: list[np.ndarray], t: np.ndarray, weight: np.ndarray
) -> np.ndarray:
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
            d = (special.expit(z) - _smoothed(metric, t, 2)) / classes
        case Measure.CATEGORICAL_CROSSENTROPY:
            d = special.softmax(z, 1) - _smoothed(metric, t, classes)
        case _:
            d = special.softmax(z, 1) - _one_hot(t, classes)
    return d * weight[:, None] / len(y)
