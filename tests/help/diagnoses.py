"""What a diagnosis is made of: a learning curve, a row, a split table."""

import numpy as np
import pandas as pd

from results.diagnosis.split import Split

CURVE = pd.DataFrame(
    {
        "idx": 3, "epoch": [1, 2, 3], "loss": [4.0, 2.0, 1.0], "MAE": [2.0, 1.5, 1.0], "val_loss": [4.5, 3.0, 3.5],
        "val_MAE": [2.5, 1.5, 2.0], "learning_rate": 0.1,
    }
)  # fmt: skip


ROW = {"loss_tr": 2.0, "loss_va": 3.0, "loss_te": 5.0, "MAE_tr": -1.0, "MAE_va": 1.5, "MAE_te": 2.0}


def split(**changes):
    """Five fitted and four test rows of a number, a category of three and another number."""
    x = np.zeros((9, 5), "float32")
    x[:, 0], x[:, 4] = np.arange(9), np.arange(9)[::-1]
    x[np.arange(9), 1 + np.arange(9) % 3] = 1
    y = np.arange(9, dtype="float32")
    given = {"x_fitted": x[:5], "y_fitted": y[:5], "x_test": x[5:], "y_test": y[5:]}
    return Split(
        **{**given, "features": ("a", "k_x", "k_y", "k_z", "b"), "groups": {"k": (1, 2, 3)}, **changes}
    )


def of_metric(table, metric="MSE"):
    """The rows of a table of baselines for one metric, by model."""
    return table[table["metric"] == metric].set_index("model")
