"""The table and the settings of the training of all cases."""

import numpy as np

from trainables.settings import Callbacks, EarlyStopping, ReduceLROnPlateau
from trainables.table.data import Table

FIT = {"epochs": 5, "batch_size": 32, "validation_split": 0.2}

RULES = Callbacks(EarlyStopping(patience=3), ReduceLROnPlateau(factor=0.3, patience=1, min_lr=1e-5))


def table(target):
    """A table of 330 train rows, which leave a smaller last batch, and 80 test rows."""
    chance = np.random.default_rng(3)
    x = chance.normal(size=(410, 6)).astype("float32")
    score = x[:, 0] - 2 * x[:, 1] + 0.5 * x[:, 2] * x[:, 3] + 0.3 * chance.normal(size=410)
    y = {"number": score, "class": score > np.median(score), "rare": score > np.quantile(score, 7 / 8)}[
        target
    ]
    y = y.astype("float32")
    return Table(x[:330], y[:330], x[330:], y[330:], tuple(f"x{i}" for i in range(6)), "y", "0")
