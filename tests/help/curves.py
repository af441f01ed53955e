"""Learning curves of a few made-up points."""

import numpy as np
import pandas as pd


def curve(idx, losses, rates=None):
    return pd.DataFrame(
        {
            "idx": idx,
            "epoch": np.arange(1, len(losses) + 1),
            "val_loss": np.array(losses, "float32"),
            "learning_rate": np.array(rates or [0.1] * len(losses), "float32"),
        }
    )


CURVES = pd.concat(
    [
        curve(7, [3, 2, 2.5, 2.4], [0.1, 0.1, 0.01, 0.01]),
        curve(2, [5, 4], [0.2, 0.02]),
        curve(4, [1, np.inf], [0.5, 0.5]),
    ]
)


POINTS = pd.DataFrame(
    {
        "idx": [7, 2, 4],
        "status": ["completed", "pruned", "diverged"],
        "best_epoch": [2, 2, 1],
        "units": ["a", "b", "b"],
    }
)
