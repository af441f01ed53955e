"""Trains a task by NumPy in float64, one model after another, as a reference for the kernel."""

from __future__ import annotations

import numpy as np

from tests.help.dense_formulas import (
    activated,
    clipped,
    constrained,
    gradient_before,
    joined,
    joined_backward,
    loss_gradient,
    measured,
    refuse_near,
)
from tests.help.dense_kernel import Result
from tests.help.dense_nets import CROSS_ENTROPIES, Layer, Numbers, Place, Task
from trainables.native.structures import Kind, Rule, Setting

EPSILON, MOMENTUM = 0.01, 0.8  # of normalizations
TILE = 64  # rows that the kernel evaluates at once


def trained_by_reference(task: Task, epochs: int = 2) -> Result:
    """Train a task and evaluate it.

    Raises:
        TieError: float32 and float64 may well differ.
    """
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
        self._own = dict(zip(task.drawing, numbers.settings[row, task.columns[:-1]], strict=True))

    def step(self, step: int) -> None:
        """Train one batch."""
        task, numbers = self._task, self._numbers
        rows = slice(step * task.batch, min(task.rows, (step + 1) * task.batch))
        x, t = numbers.x[rows].astype(float), numbers.y[rows].astype(float)
        weight = np.ones(len(x)) if numbers.weight is None else numbers.weight[rows].astype(float)
        outputs, penalty = self._forward(x, rows, True)
        for number, metric in enumerate(task.measures):
            value = measured(metric, outputs, t)
            self.sums[number] += (value * weight if metric.weighted else value).sum()
        gradients = self._backward(outputs, loss_gradient(task.measures[0], outputs, t, weight), rows)
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
            self.parameters[first:end] = constrained(one, self.parameters[first:end].reshape(shape)).ravel()
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
                value = measured(metric, outputs, t)
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
                    h = activated(layer, h + (self._part(place.bias, width) if place.bias >= 0 else 0))
                case Kind.BATCH_NORMALIZATION:
                    mean, variance = self._moments(h, layer, place, training)
                    if training and layer.trained:
                        for first, value in ((place.mean, mean), (place.variance, variance)):
                            moving = self._part(first, width)
                            moving[...] = moving * MOMENTUM + value * (1 - MOMENTUM)
                    h = (h - mean) / np.sqrt(variance + EPSILON)
                    h = h * (self._part(place.kernel, width) if place.kernel >= 0 else 1)
                    h = h + (self._part(place.bias, width) if place.bias >= 0 else 0)
                case Kind.LAYER_NORMALIZATION:
                    h = (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + EPSILON)
                    h = h * (self._part(place.kernel, width) if place.kernel >= 0 else 1)
                    h = h + (self._part(place.bias, width) if place.bias >= 0 else 0)
                case Kind.ACTIVATION:
                    h = activated(layer, h)
                case Kind.PRELU:
                    h = np.where(h < 0, h * self._part(place.kernel, width), h)
                case Kind.DROPOUT if training:
                    h = np.where(self._draws[k][rows] < self._own[k], 0, h / (1 - float(self._own[k])))
                case Kind.NOISE if training:
                    h = h + self._draws[k][rows] * float(self._own[k])
                case kind if kind >= Kind.ADD:
                    h = joined(kind, given)
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
                    d = gradient_before(layer, z, out, d)
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
                case Kind.LAYER_NORMALIZATION:
                    inverse = 1 / np.sqrt(h.var(1, keepdims=True) + EPSILON)
                    normal = (h - h.mean(1, keepdims=True)) * inverse
                    if place.bias >= 0:
                        gradients[place.bias : place.bias + width] = d.sum(0)
                    if place.kernel >= 0:
                        gradients[place.kernel : place.kernel + width] = (d * normal).sum(0)
                        d = d * self._part(place.kernel, width)
                    of_spread = (d * normal).mean(1, keepdims=True)
                    d = (d - d.mean(1, keepdims=True) - normal * of_spread) * inverse
                case Kind.ACTIVATION:
                    d = gradient_before(layer, h, out, d)
                case Kind.PRELU:
                    refuse_near(h, (0,))
                    gradients[place.kernel : place.kernel + width] = np.where(h < 0, d * h, 0).sum(0)
                    d = np.where(h < 0, d * self._part(place.kernel, width), d)
                case Kind.DROPOUT:
                    d = np.where(self._draws[k][rows] < self._own[k], 0, d / (1 - float(self._own[k])))
            before = joined_backward(layer.kind, given, d) if layer.kind >= Kind.ADD else [d]
            for source, gradient in zip(sources, before, strict=True):
                behind[source + 1] += gradient
        return gradients[: places.weights]

    def _update(self, g: np.ndarray, step: int) -> None:
        one, of, t = self._optimizer, self._settings, self._done + 1
        w, (a, b, c) = self.parameters[: len(g)], self.slots
        rate = float(self._numbers.schedule[step]) if one.scheduled else of[Setting.RATE]
        beta_1, beta_2, rho = of[Setting.BETA_1], of[Setting.BETA_2], of[Setting.RHO]
        momentum, epsilon = of[Setting.MOMENTUM], of[Setting.EPSILON]
        g = clipped(one, of[Setting.CLIP], g, self._numbers.places.variables)
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
