"""Runs whose axes and errors are hostile, for the exports."""

import json

import yaml

import results
from results.folder.run_folder import RunFolder
from results.store.store import Store
from tests.help.rows import finished, space_of

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
    Store(folder, space_of(axes, changes.get("repeats", 1))).commit([finished(**row) for row in rows])
    return results.open(path)
