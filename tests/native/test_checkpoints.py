"""A checkpoint of one engine is continued by the other."""

import numpy as np
import pytest

from results.space import Space
from tests.help.cohorts import RULES, by_point, small_table
from trainables.builder import find
from trainables.fused.compose.members import Composer
from trainables.fused.compose.points import Points
from trainables.fused.training.cohort import Cohort
from trainables.settings import Fit, Training


def build(rate, optimizer, hidden=6):
    import keras

    inputs = keras.Input((10,))
    x = keras.layers.BatchNormalization()(keras.layers.Dense(hidden, activation="tanh")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dropout(0.2, seed=3)(x)))
    optimizers = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
    model.compile(optimizers[optimizer](rate), "mse", metrics=["mae"])
    return model


@pytest.mark.parametrize(("first", "then"), [("native", "xla"), ("xla", "native")])
def test_the_other_engine_goes_on_from_a_checkpoint(first, then):
    space, table = Space({"rate": [0.01, 0.02], "optimizer": ["adam", "sgd"]}), small_table()
    builder = find.find(f"{__file__}:build", find.Path.cwd())
    fit, points = Fit(epochs=6, batch_size=32), np.arange(4)

    def cohort(programs):
        # Training changes the members.
        members = Composer(builder.load(), builder, table, 0).compose(Points.of(space, points), fit)
        return Cohort(points, members, fit, table, Training(fit, RULES), 8, programs)

    def ended(one):
        while not one.finished:
            one.train()
        return by_point(one.report(points))

    begun = cohort(first)
    for _ in range(3):
        begun.train()
    taken_over = cohort(then)
    taken_over.restore(begun.state())
    assert taken_over.epoch == 3 and taken_over.program.engine == {"xla": "fused"}.get(then, then)
    found, expected = ended(taken_over), ended(cohort(first))
    for idx, (row, curve, weights) in expected.items():
        assert found[idx][0]["epochs"] == row["epochs"] and found[idx][0]["best_epoch"] == row["best_epoch"]
        np.testing.assert_allclose(found[idx][1]["val_loss"], curve["val_loss"], rtol=2e-4)
        np.testing.assert_allclose(found[idx][2], weights, rtol=2e-3, atol=2e-5)
