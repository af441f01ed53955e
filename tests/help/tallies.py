"""A tally with points of every status."""

import pyarrow as pa

from sweep.process.tally import Tally


def tally():
    made = Tally(asked=10, counts={"completed": 2}, before=2, workers=2)
    made.training_s = 60
    points = [
        {"status": "completed", "loss_va": 3.0, "loss_te": 3.5, "idx": 4},
        {"status": "pruned", "loss_va": 2.5, "loss_te": 4.0, "idx": 5},
        {"status": "diverged", "loss_va": 0.1, "loss_te": 0.1, "idx": 6},
        {"status": "failed", "loss_va": None, "loss_te": None, "idx": 7},
        {"status": "timeout", "loss_va": None, "loss_te": None, "idx": 8},
    ]
    for some in (points[:1], points[1:]):
        made.add(pa.RecordBatch.from_pylist(some), {4: {"rate": 0.1}, 5: {"rate": "[/] [bold]"}}.__getitem__)
    return made
