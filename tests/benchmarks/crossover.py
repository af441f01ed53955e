"""Benchmark of the native kernel against XLA on chains of wide dense layers: from which width on is XLA faster?

`python -m tests.benchmarks crossover [ROWS]` trains one to three hidden layers of the same width by both, on the first ROWS
rows of the abalone table (default: 256, at least one batch), and validates on a quarter of that. A number is the core time
of such an epoch, in microseconds for each point and each thousand fitted rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.benchmarks import alternating

WIDTHS = {1: (32, 512), 2: (32, 64, 128, 256, 480), 3: (32, 128, 256, 340)}
"""The widths for each number of hidden layers. Models of more than 250,000 weights share no program."""

KINDS = ((64, 32), (256, 32), (32, 128), (32, 512))
"""Points, and rows of a batch."""

ROWS, TIMES = 256, 3


def build(width, depth, rate, *, input_shape):
    """Build a chain of dense layers, as `sweep` calls a builder."""
    import keras

    hidden = [keras.layers.Dense(width, activation="relu") for _ in range(depth)]
    model = keras.Sequential([keras.Input(input_shape), *hidden, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


def main(rows: int = ROWS) -> None:
    alternating.set_up()
    print(
        f"{rows} fitted rows or one batch; core us of a point for 1,000 fitted rows: native, XLA, XLA / native"
    )
    print(
        f"{'layers':>6} {'width':>6} {'weights':>8}"
        + "".join(f"{f'{n} points, batch {b}':>27}" for n, b in KINDS)
    )
    for depth, widths in WIDTHS.items():
        for width in widths:
            print(_line(width, depth, rows), flush=True)


def _line(width: int, depth: int, rows: int) -> str:
    """Return the line of the table for one shape."""
    from results.space import Space
    from tests.help.cohorts import ABALONE_TABLE, PLAN
    from trainables.builder import find
    from trainables.fused.compose.members import Composer, Members
    from trainables.fused.compose.points import Points
    from trainables.fused.engine import LANES
    from trainables.fused.training.programs import program_of
    from trainables.settings import Fit
    from trainables.table.order import row_order

    builder = find.find(f"{__file__}:build", PLAN.base)
    space = Space({"width": [width], "depth": [depth], "rate": np.geomspace(1e-4, 1e-3, 16).tolist()})
    composer = Composer(builder.load(), builder, ABALONE_TABLE, PLAN.seed)
    members = composer.compose(Points.of(space, np.arange(len(space))), Fit())
    assert isinstance(members, Members), members
    x, y = ABALONE_TABLE.x_train, members.target.of(ABALONE_TABLE.y_train)
    line = f"{depth:6} {width:6} {members.stack.weights.shape[1]:8,}"
    for points, batch in KINDS:
        fitted = max(rows, batch)
        tested = slice(fitted, fitted + fitted // 4)
        parts, order = ((x[:fitted], y[:fitted]), (x[tested], y[tested])), row_order(0, 0, fitted)
        stack = members.stack.take(np.arange(points) % len(space))
        works: dict[str, Callable[[], object]] = {}
        for name in ("native", "xla"):
            made, _ = program_of(members.template, batch, parts, stack, LANES, name)
            works[name] = lambda made=made, stack=stack, order=order: made.epoch(stack, order)  # type: ignore[misc]
        took = alternating.medians(works, TIMES)
        native, xla = (took[name] / points / fitted * 1e9 for name in works)
        line += f"{native:10,.0f} {xla:9,.0f} {xla / native:6.2f}"
    return line


if __name__ == "__main__":
    main()
