"""Draws random builders, as source code: layers, losses, optimizers, metrics, conditional axes and state of the module.

A builder is drawn rule by rule. Each rule is a function that adds to a `Draft` and returns an expression; rules are lists of
such functions, so a new kind is one more function in a list. The drawn file has a function `build`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Draft:
    """A builder that is being drawn.

    Attributes:
        chance: draws everything.
        axes: the axes so far, each with its values.
        top: lines at the top of the file.
        body: lines of the function, before the model is compiled.
    """

    chance: np.random.Generator
    axes: dict[str, list[Any]] = field(default_factory=dict)
    top: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)

    def one_of(self, rules: list[Callable[[Draft], str]]) -> str:
        """Draw one of `rules` and return its expression."""
        return rules[self.chance.integers(len(rules))](self)

    def axis(self, name: str, values: list[Any]) -> str:
        """Add an axis, unless the builder has three already; return the expression for its value."""
        if name not in self.axes and len(self.axes) >= 3:
            return repr(values[int(self.chance.integers(len(values)))])
        self.axes.setdefault(name, values)
        return name

    def define(self, *lines: str) -> None:
        """Add lines to the top of the file."""
        self.top += lines


def source(seed: int) -> tuple[str, dict[str, list[Any]]]:
    """Return a random builder as source code, and the values of its axes."""
    draft = Draft(np.random.default_rng(seed))
    rate = draft.axis("rate", [0.02, 0.005])
    draft.one_of(STATES)
    for _ in range(int(draft.chance.integers(1, 3))):
        draft.body.append(f"x = {draft.one_of(LAYERS)}")
    optimizer = draft.one_of(OPTIMIZERS).replace("RATE", rate)
    loss = draft.one_of(LOSSES)
    metrics = ", ".join(["'mae'", draft.one_of(METRICS)][: int(draft.chance.integers(1, 3))])
    lines = [
        '"""A random builder."""',
        "import keras",
        "from keras import layers, ops",
        *draft.top,
        f"def build({', '.join(draft.axes)}, *, input_shape, normalizer):",
        *(f"    {line}" for line in (
            "inputs = keras.Input(input_shape)",
            "x = normalizer(inputs)",
            *draft.body,
            "model = keras.Model(inputs, layers.Dense(1)(x))",
            f"model.compile(optimizer={optimizer}, loss={loss}, metrics=[{metrics}])",
            "return model",
        )),
    ]  # fmt: skip
    return "\n".join(lines) + "\n", draft.axes


def _dense(draft: Draft) -> str:
    activation = draft.axis("activation", ["tanh", "sigmoid"])
    return f"layers.Dense({draft.axis('units', [4, 6])}, activation={activation})(x)"


def _dense_of_initializer(draft: Draft) -> str:
    return f"layers.Dense(5, activation='tanh', kernel_initializer={draft.axis('init', ['he_normal', 'glorot_uniform'])})(x)"


def _normalized(draft: Draft) -> str:
    return "layers.BatchNormalization()(layers.Dense(5, use_bias=False)(x))"


def _dropout(draft: Draft) -> str:
    return f"layers.Dropout({draft.axis('share', [0.1, 0.4])})(layers.Dense(6, activation='tanh')(x))"


def _penalized(draft: Draft) -> str:
    kind, strength = draft.axis("kind", ["none", "l2"]), draft.axis("strength", [0.1, 0.01])
    regularizer = f"keras.regularizers.L2({strength}) if {kind} == 'l2' else None"
    return f"layers.Dense(5, activation='tanh', kernel_regularizer={regularizer})(x)"


def _leaky(draft: Draft) -> str:
    draft.define("def leaky(slope):", "    return lambda a: ops.leaky_relu(a, negative_slope=slope)")
    return f"layers.Dense(5, activation=leaky({draft.axis('slope', [0.2, 0.5])}))(x)"


def _own_layer(draft: Draft) -> str:
    draft.define(
        "class Scaled(layers.Layer):",
        "    def __init__(self, factor):",
        "        super().__init__()",
        "        self._factor = factor",
        "    def call(self, x):",
        "        return x * self._factor",
    )
    return f"Scaled({draft.axis('factor', [0.5, 2.0])})(layers.Dense(5, activation='tanh')(x))"


def _weight_writer(draft: Draft) -> str:
    draft.define(
        "class Clipped(layers.Layer):",
        "    def build(self, shape):",
        "        self.w = self.add_weight(shape=(shape[-1], 4), name='w')",
        "    def call(self, x, training=False):",
        "        if training:",
        "            self.w.assign(ops.clip(self.w, -0.3, 0.3))",
        "        return ops.tanh(ops.matmul(x, self.w))",
    )
    return "Clipped()(x)"


def _residual(draft: Draft) -> str:
    return "layers.Concatenate()([x, layers.Dense(4, activation='tanh')(x)])"


LAYERS = [
    _dense,
    _dense_of_initializer,
    _normalized,
    _dropout,
    _penalized,
    _leaky,
    _own_layer,
    _weight_writer,
    _residual,
]


def _adam(draft: Draft) -> str:
    return "keras.optimizers.Adam(RATE)"


def _sgd_or_adam(draft: Draft) -> str:
    optimizer, momentum = draft.axis("optimizer", ["adam", "sgd"]), draft.axis("momentum", [0.9, 0.0])
    return (
        f"(keras.optimizers.SGD(RATE, {momentum}) if {optimizer} == 'sgd' else keras.optimizers.Adam(RATE))"
    )


def _adamw(draft: Draft) -> str:
    return f"keras.optimizers.AdamW(RATE, weight_decay={draft.axis('decay', [0.1, 0.01])})"


def _scheduled(draft: Draft) -> str:
    which = draft.axis("schedule", ["constant", "cosine"])
    return f"keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, 30) if {which} == 'cosine' else RATE)"


def _signed(draft: Draft) -> str:
    draft.define(
        "class Signed(keras.optimizers.SGD):",
        "    def __init__(self, rate, sign):",
        "        super().__init__(rate)",
        "        self.sign = sign",
        "    def update_step(self, gradient, variable, learning_rate):",
        "        super().update_step(ops.sign(gradient) * 0.2 if self.sign else gradient, variable, learning_rate)",
    )
    return f"Signed(RATE, {draft.axis('sign', [False, True])})"


def _halving(draft: Draft) -> str:
    draft.define(
        "class Halving(keras.optimizers.SGD):",
        "    def apply_gradients(self, grads_and_vars):",
        "        return super().apply_gradients([(g / 2, v) for g, v in grads_and_vars])",
    )
    return "Halving(RATE)"


def _clipped(draft: Draft) -> str:
    return f"keras.optimizers.RMSprop(RATE, clipnorm={draft.axis('clipnorm', [0.5, 5.0])})"


OPTIMIZERS = [_adam, _sgd_or_adam, _adamw, _scheduled, _signed, _halving, _clipped]


def _mse(draft: Draft) -> str:
    return "'mse'"


def _huber(draft: Draft) -> str:
    return f"keras.losses.Huber({draft.axis('delta', [0.3, 2.0])})"


def _of_a_closure(draft: Draft) -> str:
    draft.define(
        "def weighted(low):", "    return lambda y, p: ops.square(y - p) * ops.where(y > p, low, 1.0)"
    )
    return f"weighted({draft.axis('low', [0.5, 2.0])})"


def _of_a_global(draft: Draft) -> str:
    value = draft.axis("power", [2.0, 1.5])
    draft.define("POWER = 2.0", "def powered(y, p):", "    return ops.power(ops.abs(y - p) + 1e-3, POWER)")
    draft.body.insert(0, f"globals()['POWER'] = {value}")
    return "powered"


def _sliding(draft: Draft) -> str:
    draft.define(
        "class Sliding(keras.losses.Loss):",
        "    def __init__(self):",
        "        super().__init__()",
        "        self.weight = keras.Variable(1.0, trainable=False)",
        "    def call(self, y, p):",
        "        self.weight.assign(self.weight * 0.95)",
        "        return self.weight * ops.square(ops.reshape(y, [-1]) - ops.reshape(p, [-1]))",
    )
    return "Sliding()"


def _moving(draft: Draft) -> str:
    draft.define(
        "import tensorflow as tf",
        "class Moving(keras.losses.Loss):",
        "    def __init__(self):",
        "        super().__init__()",
        "        self.scale = tf.Variable(1.0, trainable=False)",
        "    def call(self, y, p):",
        "        error = ops.square(ops.reshape(y, [-1]) - ops.reshape(p, [-1]))",
        "        self.scale.assign(0.9 * self.scale + 0.1 * ops.mean(error))",
        "        return error / self.scale",
    )
    return "Moving()"


def _of_an_array(draft: Draft) -> str:
    value = draft.axis("low", [1.0, 0.5])
    draft.define(
        "import numpy as np",
        "LOWS = np.ones(2, 'float32')",
        "def skewed(y, p):",
        "    error = ops.reshape(y, [-1]) - ops.reshape(p, [-1])",
        "    return ops.square(error) * ops.where(error > 0, LOWS[0], LOWS[1])",
    )
    draft.body[:0] = [f"if {value} != 1.0:", f"    LOWS[1] = {value}"]
    return "skewed"


def _of_a_namespace(draft: Draft) -> str:
    value = draft.axis("low", [1.0, 0.5])
    draft.define(
        "import types",
        "SETTINGS = types.SimpleNamespace(low=1.0)",
        "def lowered(y, p):",
        "    return ops.square(ops.reshape(y, [-1]) - ops.reshape(p, [-1])) * SETTINGS.low",
    )
    draft.body[:0] = [f"if {value} != 1.0:", f"    SETTINGS.low = {value}"]
    return "lowered"


LOSSES = [
    _mse,
    _mse,
    _huber,
    _of_a_closure,
    _of_a_global,
    _sliding,
    _moving,
    _of_an_array,
    _of_a_namespace,
]


def _rmse(draft: Draft) -> str:
    return "keras.metrics.RootMeanSquaredError(name='rmse')"


def _named(draft: Draft) -> str:
    return f"keras.metrics.MeanSquaredError(name={draft.axis('name', ['error', 'mistake'])})"


def _correlation(draft: Draft) -> str:
    draft.define(
        "def correlation(y, p):",
        "    y, p = ops.reshape(y, [-1]), ops.reshape(p, [-1])",
        "    y, p = y - ops.mean(y), p - ops.mean(p)",
        "    return ops.sum(y * p) / (ops.sqrt(ops.sum(y * y) * ops.sum(p * p)) + 1e-6)",
    )
    return "correlation"


def _never_reset(draft: Draft) -> str:
    draft.define(
        "class Total(keras.metrics.Metric):",
        "    def __init__(self):",
        "        super().__init__(name='total')",
        "        self.total = self.add_weight(name='total', initializer='zeros')",
        "    def update_state(self, y, p, sample_weight=None):",
        "        self.total.assign_add(ops.sum(ops.abs(p)))",
        "    def result(self):",
        "        return self.total",
        "    def reset_state(self):",
        "        pass",
    )
    return "Total()"


METRICS = [_rmse, _named, _correlation, _never_reset]


def _no_state(draft: Draft) -> str:
    return ""


def _counter(draft: Draft) -> str:
    draft.define("CALLS = []")
    draft.body += ["CALLS.append(1)", "x = layers.Rescaling(1.0 / len(CALLS))(x)"]
    return ""


def _initializer_at_top(draft: Draft) -> str:
    draft.define("INITIALIZER = keras.initializers.HeNormal(keras.random.SeedGenerator(3))")
    draft.body.append("x = layers.Dense(5, activation='tanh', kernel_initializer=INITIALIZER)(x)")
    return ""


def _seeded(draft: Draft) -> str:
    draft.body.insert(0, "keras.utils.set_random_seed(11)")
    return ""


STATES = [_no_state, _no_state, _no_state, _counter, _initializer_at_top, _seeded]
