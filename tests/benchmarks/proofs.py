"""Benchmark of proofs: which part of a sweep's core time do they take, with users' code and with many programs?

`python -m tests.benchmarks proofs [POINTS]` trains a grid of POINTS points (default: 400) for each kind of users' code, and
two whose programs have ten points each, without users' code and with a loss. It does so in this process and without Ray, by
the budget and the rules of the default plan, and prints core seconds. What a program costs does not depend on how many
points it has, so the share for a longer sweep follows from the columns.
"""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np

from tests.benchmarks import alternating

layers, ops = keras.layers, keras.ops

WIDTHS, DEPTHS = [8, 16], [1, 2]
"""Each pair of them is a program."""
RATES = np.geomspace(1e-3, 1e-2, 10).tolist()


class Scaled(layers.Layer):
    """A layer of one's own: it has a factor for each column."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.factor


class Signed(keras.optimizers.SGD):
    """An optimizer of one's own: its step has a part by the sign of the gradient."""

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient + 0.01 * ops.sign(gradient), variable, learning_rate)


class Within(keras.metrics.Metric):
    """A metric of one's own: the share of the rows that are predicted to within one ring."""

    def __init__(self, name="within", **options):
        super().__init__(name=name, **options)
        self.hits = self.add_weight(name="hits", initializer="zeros")
        self.rows = self.add_weight(name="rows", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        near = ops.cast(ops.abs(ops.reshape(y_true, (-1,)) - ops.reshape(y_pred, (-1,))) < 1.0, "float32")
        self.hits.assign_add(ops.sum(near))
        self.rows.assign_add(ops.cast(ops.size(near), "float32"))

    def result(self):
        return self.hits / self.rows


def pinball(y_true, y_pred):
    error = ops.reshape(y_true, (-1, 1)) - y_pred
    return ops.mean(ops.maximum(0.4 * error, -0.6 * error), axis=-1)


def own(width, depth, rate, l2, kind, *, input_shape, normalizer):
    """Build a network with one part of the user's own, as `sweep` calls a builder."""
    x = normalizer(inputs := keras.Input(input_shape))
    for _ in range(depth):
        x = layers.Dense(width, "relu", kernel_regularizer=keras.regularizers.L2(l2))(x)
        x = Scaled()(x) if kind == "layer" else x
    model = keras.Model(inputs, layers.Dense(1)(x))
    optimizer = Signed(rate) if kind == "optimizer" else keras.optimizers.Adam(rate)
    model.compile(
        optimizer, pinball if kind == "loss" else "mse", metrics=[Within()] if kind == "metric" else []
    )
    return model


KINDS = ("none", "loss", "layer", "optimizer", "metric")


def main(points: int = 400) -> None:
    alternating.set_up()
    print(
        f"{points} points; core s       grouping   proving  compiling  training  testing   proving, share of all"
    )
    grids = [(kind, kind, WIDTHS, DEPTHS) for kind in KINDS]
    many = list(range(4, 4 + points // len(RATES)))
    grids += [("small", "none", many, [1]), ("small loss", "loss", many, [1])]
    for title, kind, widths, depths in grids:
        took, programs = _trained(kind, points, widths, depths)
        names = ("compose", "prove", "compile", "train", "evaluate")
        columns = "".join(f"{took[name]:10.1f}" for name in names)
        share = took["prove"] / sum(took[name] for name in names)
        print(f"{title:10} {programs:20} {columns} {share:12.0%}", flush=True)


def _trained(kind: str, points: int, widths: list[int], depths: list[int]) -> tuple[dict[str, float], str]:
    """Train a grid; return the core seconds of each activity, and the engines with their numbers of programs."""
    from collections import Counter

    from results.space import Space
    from tests.help.cohorts import ABALONE_TABLE, PLAN
    from trainables.builder import find
    from trainables.engine import Work
    from trainables.fused.engine import ProgramEngine
    from trainables.fused.training import proof
    from trainables.settings import Training

    rest = max(1, points // (len(widths) * len(depths) * len(RATES)))
    axes = {"width": widths, "depth": depths, "rate": RATES}
    space = Space(axes | {"l2": np.geomspace(1e-6, 1e-2, rest).tolist(), "kind": [kind]})
    builder = find.find(f"{__file__}:own", PLAN.base)
    engine = ProgramEngine(Work(space, builder, ABALONE_TABLE, Training(PLAN.fit, PLAN.callbacks)))
    took, engines = Counter[str](), Counter[str]()
    originals = proof.refused, proof._by_program

    def timed(program: Any, *arguments: Any) -> Any:
        engines[program.engine] += 1
        return _timed("prove", originals[0], program, *arguments)

    def _timed(name: str, work: Any, *arguments: Any) -> Any:
        started = time.process_time()
        try:
            return work(*arguments)
        finally:
            took[name] += time.process_time() - started

    # The first epochs of a program are those of its proof, so compiling takes place there.
    proof.refused, proof._by_program = timed, lambda *arguments: _timed("compile", originals[1], *arguments)
    waiting, known, done = [np.arange(len(space))], None, True
    while waiting or not done:
        if done:
            engine.begin(waiting.pop(), known)
        report = engine.step()
        assert not report.broken and not report.unusable and report.refused is None, report
        done, known = report.done, report.known or known
        waiting += [np.asarray(part) for part in report.parts]
        took.update({name: seconds for name, seconds in report.timing.items() if name != "compile"})
    proof.refused, proof._by_program = originals
    took["compose"] -= took["prove"]  # the engine counts proving as grouping
    took["prove"] -= took["compile"]
    return took, ", ".join(f"{count} {name}" for name, count in engines.items())


if __name__ == "__main__":
    main()
