"""Runs whose axes and errors are hostile, for the exports."""

import json

import pytest
import yaml

import results
from results.folder.run_folder import RunFolder
from results.store.store import Store
from tests.help.rows import finished

HOSTILE_AXES = {
    "learning rate, é/..": [0.1, 1e-30, 0],
    "hidden": [[8], [8, 4]],
    "reg": [None, "l2", "null"],
    "mixed": [1, "1", None, [1]],
    "flag": [True, False, None],
    "units": [4, 2**60, None],
}


STATUSES = ["completed", "early_stopped", "pruned", "diverged", "failed", "timeout"]


def make_run(path, axes, rows, **changes):
    """Make a run's folder; `rows` are the arguments of `finished`."""
    folder = RunFolder(path)
    folder.create()
    folder.plan.write_text(yaml.safe_dump({"space": axes, "builder": "model.py:build", **changes}))
    folder.fingerprint.write_text(json.dumps({"space": axes, **changes}))
    items = [finished(**row) for row in rows]
    configs = [config_of(axes, item.row["idx"]) for item in items]
    Store(folder, axes).commit(
        [type(item)(item.row, config, item.curve, item.weights) for item, config in zip(items, configs, strict=True)]
    )  # fmt: skip
    return results.open(path)


def config_of(axes, idx):
    return {name: values[idx % len(values)] for name, values in axes.items()}


@pytest.fixture
def hostile_run(tmp_path):
    """Twelve points of every status, on axes of every kind; those that failed have neither metrics nor a curve."""
    rows = [{"idx": idx, "status": STATUSES[idx % 6], "metrics": ["loss", "m é/x"]} for idx in range(12)]
    for row in rows:
        if row["status"] in ("failed", "timeout"):
            row |= {"epochs": 0, "error": f"it broke, {'very ' * 2000}much"}
        else:
            row |= {"seconds": 1.5, "params": 2**30 + row["idx"]}
    run = make_run(tmp_path / "a run é", HOSTILE_AXES, rows)
    assert run.points["loss_te"].notna().sum() == 8
    return run
