"""The columns that every engine reports its points in, and the names of its checkpoints."""

import numpy as np

from results.schema import Status
from trainables.engine import as_bytes, checkpoint_name, curves_of, weights_of, without_training


def test_curves_have_one_row_for_each_epoch_of_each_point():
    logs = {"loss": np.array([3, 2, 1, 9], "float32")}
    found = curves_of(np.array([7, 5, 8]), np.array([3, 0, 1]), logs).to_pydict()
    assert found == {"idx": [7, 7, 7, 8], "epoch": [1, 2, 3, 1], "loss": [3, 2, 1, 9]}
    assert curves_of(np.array([], np.int64), np.array([], np.int64), {}).num_rows == 0


def test_weights_are_the_bytes_of_each_point():
    kernels, biases = np.arange(12, dtype="float32").reshape(2, 3, 2), np.array([[1.5], [2.5]], "float32")
    values = as_bytes([kernels, biases])
    found = weights_of(np.array([4, 2]), values, "[]").to_pylist()
    assert [row["idx"] for row in found] == [4, 2] and {row["layout"] for row in found} == {"[]"}
    for row, kernel, bias in zip(found, kernels, biases, strict=True):
        assert np.frombuffer(row["values"], "float32").tolist() == [*kernel.ravel(), *bias]


def test_points_that_were_not_trained_have_rows_without_epochs():
    rows = without_training(np.array([3, 1]), Status.FAILED, "KeyError: x", "fused", seed=5, seconds=0.5)
    common = {"status": "failed", "epochs": 0, "seed": 5, "seconds": 0.5, "engine": "fused"}
    assert rows.points.to_pylist() == [{"idx": idx, **common, "error": "KeyError: x"} for idx in (3, 1)]
    assert rows.curves.num_rows == 0 and rows.weights is None


def test_a_cohort_has_one_name_in_whatever_order():
    names = [checkpoint_name(np.array(idx)) for idx in ([3, 1, 2], [1, 2, 3], [1, 2], [1, 2, 2**40], [12, 3])]
    assert names[0] == names[1] and len(set(names)) == 4
    assert checkpoint_name(np.array([1, 2, 3], np.int32)) == names[0]
    assert all(name.isalnum() and name.isascii() for name in names)
