"""Benchmark of the engines on models as people publish them: which points of ten small grids does which engine train?

`python -m tests.benchmarks published [ROWS]` groups, proves and trains each grid of `builders` for one epoch, on the first
ROWS (default: 1,000) train rows of the abalone table. It prints the table of trainables/README.md. Points that are left to
Keras' own `fit` are counted and not trained.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np

from tests.benchmarks import alternating

RINGS = 9


def main(rows: int = 1000) -> None:
    alternating.set_up()
    from tests.benchmarks.builders import GRIDS, KINDS

    found = {name: _shares(name, rows) for name in GRIDS}
    print("| a model of the kind | points | native | XLA | Keras | why not native |")
    print("|---|---|---|---|---|---|")
    for name, (counted, why) in found.items():
        points = sum(counted.values())
        shares = " | ".join(f"{counted[engine] / points:.0%}" for engine in ("native", "fused", "keras"))
        print(f"| `{name}`: {KINDS[name]} | {points} | {shares} | {'; '.join(sorted(why))} |")
    means = " | ".join(
        f"{np.mean([one[engine] / sum(one.values()) for one, _ in found.values()]):.0%}"
        for engine in ("native", "fused", "keras")
    )
    print(
        f"| all, each grid with the same weight | {sum(sum(one.values()) for one, _ in found.values())} | {means} | |"
    )


def _shares(name: str, rows: int) -> tuple[Counter[str], set[str]]:
    """Return how many points of a grid each engine trains, and the reasons why it is not the native kernel."""
    from results.space import Space
    from tests.benchmarks import builders
    from tests.help.cohorts import ABALONE_TABLE, PLAN
    from trainables.builder import find
    from trainables.engine import Work
    from trainables.fused.engine import ProgramEngine
    from trainables.settings import Callbacks, Fit, Training

    table = dataclasses.replace(
        ABALONE_TABLE, x_train=ABALONE_TABLE.x_train[:rows], y_train=ABALONE_TABLE.y_train[:rows]
    )
    if name in builders.CLASSIFIERS:
        codes = {split: np.float32(getattr(table, split) > RINGS) for split in ("y_train", "y_test")}
        changes: dict[str, Any] = {**codes, "task": "binary", "classes": ("young", "old")}
        table = dataclasses.replace(table, **changes)
    space = Space(builders.GRIDS[name])
    builder = find.find(f"{builders.__file__}:{name}", PLAN.base)
    engine = ProgramEngine(Work(space, builder, table, Training(Fit(epochs=1), Callbacks())))
    counted: Counter[str] = Counter()
    why: set[str] = set()
    waiting, known, done = [np.arange(len(space))], None, True
    while waiting or not done:
        if done:
            engine.begin(waiting.pop(), known)
        report = engine.step()
        assert not report.broken and not report.unusable, report
        done, known = report.done, report.known or known
        waiting += [np.asarray(part) for part in report.parts]
        if report.rows is not None:
            counted.update(report.rows.points["engine"].to_pylist())
        if report.refused is not None:
            counted["keras"] += len(report.refused)
            why.add(report.why)
        marks = [note for note in report.notes if note.startswith("engine: XLA")]
        why |= {note.partition("trains some points: ")[2] for note in marks}
    return counted, why


if __name__ == "__main__":
    main()
