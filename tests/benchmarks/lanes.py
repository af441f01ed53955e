"""Benchmark of the native kernels of one machine against each other: what does a chunk of few lanes cost?

`python -m tests.benchmarks lanes [ROWS]` trains chains of two equal dense layers by the widest kernel and by the next one,
with the same number of full chunks, for epochs of the first ROWS rows of the abalone table (default: 512). It prints the
core time of a chunk of each, and their ratio. `shares` in trainables/native/arrays.py relies on a ratio between 0.5 and 1.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from tests.benchmarks import alternating

WIDTHS, BATCHES = (4, 8, 16, 32, 64, 128), (32, 128)
CHUNKS, TIMES = 4, 5


def build(width, rate, *, input_shape):
    """Build a chain of dense layers, as `sweep` calls a builder."""
    import keras

    layers = [keras.layers.Dense(width, "relu"), keras.layers.Dense(width, "relu"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input(input_shape), *layers])
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


def main(rows: int = 512) -> None:
    alternating.set_up()
    from trainables.native import library

    forced = os.environ.pop(library.VARIABLE, None)
    try:
        there = library.load_all()
        if len(there) < 2:
            print("This machine has one kernel, so there is nothing to compare.")
            return
        wide, narrow = there[:2]
        print(f"core us of a chunk and an epoch of {rows} rows: {wide.name}, {narrow.name}, ratio")
        print(f"{'width':>6}" + "".join(f"{f'batch {batch}':>28}" for batch in BATCHES))
        for width in WIDTHS:
            print(_line(width, rows, wide.name, narrow.name), flush=True)
    finally:
        if forced is not None:
            os.environ[library.VARIABLE] = forced


def _line(width: int, rows: int, *names: str) -> str:
    """Return the line of the table for one width."""
    from results.space import Space
    from tests.help.cohorts import ABALONE_TABLE, PLAN
    from trainables.builder import find
    from trainables.fused.compose.members import Composer, Members
    from trainables.fused.compose.points import Points
    from trainables.native import library
    from trainables.native.program import NativeProgram
    from trainables.settings import Fit
    from trainables.table.order import row_order

    builder = find.find(f"{__file__}:build", PLAN.base)
    space = Space({"width": [width], "rate": np.geomspace(1e-4, 1e-3, 16).tolist()})
    composer = Composer(builder.load(), builder, ABALONE_TABLE, PLAN.seed)
    members = composer.compose(Points.of(space, np.arange(len(space))), Fit())
    assert isinstance(members, Members), members
    x, y = ABALONE_TABLE.x_train, members.target.of(ABALONE_TABLE.y_train)
    parts, order = (
        ((x[:rows], y[:rows]), (x[rows : rows + rows // 4], y[rows : rows + rows // 4])),
        row_order(0, 0, rows),
    )
    line = f"{width:6}"
    for batch in BATCHES:
        works: dict[str, Callable[[], object]] = {}
        for name in names:
            os.environ[library.VARIABLE] = name
            stack = members.stack.take(np.arange(CHUNKS * library.load().lanes) % len(space))
            made = NativeProgram(members.template, batch, *parts, stack)
            works[name] = lambda made=made, stack=stack: [made.epoch(stack, order) for _ in range(4)]  # type: ignore[misc]
        took = alternating.medians(works, TIMES)
        wide, narrow = (took[name] / 4 / CHUNKS * 1e6 for name in names)
        line += f"{wide:10,.0f} {narrow:9,.0f} {narrow / wide:7.2f}"
    return line


if __name__ == "__main__":
    main()
