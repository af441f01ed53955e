"""Runs that are made without training; by default, each text in them tries to break the page that shows it."""

import itertools

import numpy as np
import yaml

from results.folder.run_folder import RunFolder
from results.space import Space
from results.store.store import Store
from tests.help.rows import Made, space_of

CANARY = "window.canary = 1"


HOSTILE = [
    f"</script><script>{CANARY}</script>",
    f'"><img src=x onerror="{CANARY}">',
    'it\'s "quoted" \\ `${1}` {{data}}',
    "\u202eright to left \u05d0\u05d1",
    "\U0001f600 \u2028 line",
    "long " * 2000,
]


AXES = {
    f"<script>{CANARY}</script>": HOSTILE,
    "rate": [0.1, 0.01, 0.001],
    "size": [[8], [8, 4], None],
    "fixed": [1],
}

GRID = {"units": [2, 4], "rate": [0.1, 0.01, 0.001]}
"""Axes that are not hostile."""


def make_run(path, axes, columns=("loss", "MAE"), error=HOSTILE[0], pruned=(), only=None, **plan):
    """Write a run of the whole grid whose losses follow from the axes; its last point has failed.

    With conditions of axes, `only`, it has the different points, and none has failed. `plan` has further keys of the plan.
    """
    folder = RunFolder(path)
    folder.create()
    folder.plan.write_text(
        yaml.safe_dump(
            {
                "space": axes,
                "only": only or {},
                "builder": HOSTILE[0],
                "fit": {"epochs": 4},
                "seed": 0,
                **plan,
            },
            allow_unicode=True,
        )
    )
    space = Space(axes, only) if only else space_of(axes)
    store = Store(folder, space)
    chance = np.random.default_rng(0)
    axes = dict(sorted(axes.items()))  # as ParameterGrid numbers the points
    points = list(itertools.product(*axes.values()))
    items = []
    for idx, values in enumerate(points):
        positions = [list(axis).index(value) for axis, value in zip(axes.values(), values, strict=True)]
        row = {"idx": idx, "status": "completed", "epochs": 4, "best_epoch": 3, "seed": 0, "engine": "fused"}
        row |= {"params": 10 + idx % 7, "seconds": 0.5}
        for name in columns:
            row |= {
                f"{name}_{split}": 1.0 + sum(positions) + chance.random() / 9 for split in ("tr", "va", "te")
            }
        names = [*columns, *(f"val_{name}" for name in columns), "learning_rate"]
        curve = {name: (1 + np.arange(4.0)[::-1]).astype("float32") for name in names}
        if idx in pruned:  # after its first epoch
            row |= {"status": "pruned", "epochs": 1, "best_epoch": 1}
            curve = {name: values[:1] for name, values in curve.items()}
        if space.numbers(np.array([idx]))[0] < 0:
            continue
        if idx == len(points) - 1 and not only:
            row = {name: row[name] for name in ("idx", "seed", "engine")}
            row |= {"status": "failed", "epochs": 0, "best_epoch": None, "error": error}
            curve = {}
        items.append(Made(row, curve, None))
    store.commit(items)
    return path
